using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about the three sizes of leaf 0xD: they follow from the sub-leaves and from what is enabled.</summary>
internal static class SizeRules
{
    private static readonly LintPlace Enabled = new(CpuidTable.XsaveLeaf, 0, CpuidRegister.Ebx);
    private static readonly LintPlace Supported = new(CpuidTable.XsaveLeaf, 0, CpuidRegister.Ecx);
    private static readonly LintPlace CompactedSize = new(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ebx);

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1421", "L21", Severity.Error, "0xD.0 ECX is the size for all components", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!CanCompute(cpuid))
            {
                return;
            }

            uint told = cpuid[LintLeaf.LeafD].Ecx;
            uint right = AreaSizes.Standard(cpuid, cpuid.User);
            if (told != right)
            {
                sink.Add(
                    told < right ? Severity.Error : Severity.Warning, Supported,
                    "leaf 0xd.0 ECX is not the largest end of a component", Number(told), Number(right));
            }
        })
        {
            Breaks = [new(LintGuest.Any, "a buffer of that size is too small, and state behind it is overwritten",
                "SDM Vol. 1, 13.2; OpenVMM refuses such a table")],
            Mend = "Set ECX to the largest offset plus size over the components of leaf 0xD.0, at least 576.",
        },
        new("XS1422", "L22", Severity.Error, "0xD.0 EBX is the size for some XCR0", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!CanCompute(cpuid) || !AreaSizes.HasWholeGroups(cpuid.User))
            {
                return;
            }

            uint told = cpuid[LintLeaf.LeafD].Ebx;
            if (cpuid.Context.Xcr0 is { } xcr0)
            {
                uint right = AreaSizes.Standard(cpuid, xcr0.Bits & cpuid.User);
                if (told != right)
                {
                    sink.Add(Enabled, $"leaf 0xd.0 EBX is not the size for XCR0 {xcr0}", Number(told), Number(right));
                }
            }
            else if (told > cpuid[LintLeaf.LeafD].Ecx || !AreaSizes.IsStandardOfSome(cpuid, told))
            {
                sink.Add(Enabled, "leaf 0xd.0 EBX is the size for no XCR0 that leaf 0xd.0 permits", Number(told),
                    $"576 to {Number(AreaSizes.Standard(cpuid, cpuid.User))}, the end of a component");
            }
        })
        {
            Breaks = LinuxReleases.FailedCheck("gives up XSAVE: AVX and everything above is gone",
                "Linux paranoid_xstate_size_valid, arch/x86/kernel/fpu/xstate.c"),
            Mend = "Compute EBX from the vCPU's XCR0 at each CPUID.",
        },
        new("XS1423", "L23", Severity.Error, "0xD.1 EBX is the compacted size for the live XCR0 and IA32_XSS",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!CanCompute(cpuid) || !HasCompaction(cpuid) || cpuid.Context is not { Xcr0: { } xcr0, Xss: { } xss })
            {
                return;
            }

            uint told = cpuid[LintLeaf.LeafDSub1].Ebx;
            ulong live = (xcr0.Bits & cpuid.User) | (cpuid.Has(CpuidFeatures.Xsaves) ? xss.Bits & cpuid.Supervisor : 0);
            uint right = AreaSizes.Compacted(cpuid, live);
            if (told != right && told >= XsaveFormat.ExtendedOffset)
            {
                sink.Add(CompactedSize, $"leaf 0xd.1 EBX is not the compacted size for XCR0 {xcr0} and IA32_XSS {xss}", Number(told),
                    Number(right));
            }
        })
        {
            Breaks = [.. Consistency("KVM's missing alignment in 2022; OpenVMM issue 708 (10704 where the kernel computes 10752)")],
            Mend = "Compute EBX from XCR0 and IA32_XSS, with 64-byte alignment where ECX[1] of the sub-leaf asks for it.",
        },
        new("XS1451", "N01", Severity.Error, "0xD.1 EBX is the compacted size for some XCR0 and IA32_XSS",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint told = cpuid[LintLeaf.LeafDSub1].Ebx;
            if (!CanCompute(cpuid) || !AreaSizes.HasWholeGroups(cpuid.User) || !HasCompaction(cpuid) || told < XsaveFormat.ExtendedOffset
                || cpuid.Context is { Xcr0: not null, Xss: not null }
                || !AreaSizes.IsStandardOfSome(cpuid, cpuid[LintLeaf.LeafD].Ebx))
            {
                return;
            }

            if (!AreaSizes.IsCompactedOfSome(cpuid, cpuid[LintLeaf.LeafD].Ebx, told, cpuid.Has(CpuidFeatures.Xsaves)))
            {
                sink.Add(
                    CompactedSize,
                    "leaf 0xd.1 EBX is the compacted size for no IA32_XSS and no XCR0 whose standard size is "
                    + $"{Number(cpuid[LintLeaf.LeafD].Ebx)}",
                    Number(told), $"such as {Number(AreaSizes.Compacted(cpuid, cpuid.User))} with every user component");
            }
        })
        {
            Breaks =
            [
                .. Consistency("Linux paranoid_xstate_size_valid, arch/x86/kernel/fpu/xstate.c"),
                new(LintGuest.Xen, "panics: compacted hardware size", "Xen xen/arch/x86/xstate.c"),
            ],
            Mend = "Compute EBX from XCR0 and IA32_XSS, with 64-byte alignment where ECX[1] of the sub-leaf asks for it.",
        },
        new("XS1452", "N02", Severity.Error, "With XSAVEC or XSAVES 0xD.1 EBX is at least 576",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint told = cpuid[LintLeaf.LeafDSub1].Ebx;
            if (cpuid.CanJudgeXsaveLeaf && HasCompaction(cpuid) && told < XsaveFormat.ExtendedOffset)
            {
                sink.Add(CompactedSize, "XSAVEC or XSAVES is shown and leaf 0xd.1 EBX has no room for the header", Number(told),
                    "at least 576");
            }
        })
        {
            Breaks = [.. Consistency("WSL issue 14436: size 832 against kernel size 0")],
            Mend = "Compute EBX from XCR0 and IA32_XSS.",
        },
        new("XS1453", "N03", Severity.Warning, "Without XSAVEC and XSAVES 0xD.1 EBX is zero",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint told = cpuid[LintLeaf.LeafDSub1].Ebx;
            if (cpuid.CanJudgeXsaveLeaf && !HasCompaction(cpuid) && told != 0)
            {
                sink.Add(CompactedSize, "leaf 0xd.1 EBX tells a compacted size and nothing compacts", Number(told), "0");
            }
        })
        {
            Breaks = [new(LintGuest.Xen, "warns once", "VirtualBox issue 336; Xen xen/arch/x86/xstate.c")],
            Mend = "Zero EBX of leaf 0xD.1.",
        },
        new("XS1454", "N04", Severity.Error, "Before OSXSAVE the size is that of XCR0 1",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint told = cpuid[LintLeaf.LeafD].Ebx;
            if (cpuid.CanJudgeXsaveLeaf && !cpuid.Has(CpuidFeatures.Osxsave) && cpuid.Context.Xcr0 is null
                && told != XsaveFormat.ExtendedOffset)
            {
                bool recomputed = cpuid.Context.View == LintView.Kvm;
                sink.Add(
                    recomputed ? Severity.Info : Severity.Error, Enabled,
                    recomputed ? "leaf 0xd.0 EBX is not that of a new vCPU; KVM computes it anew in KVM_SET_CPUID2"
                    : "OSXSAVE is clear, so XCR0 is 1, and leaf 0xd.0 EBX is not its size",
                    Number(told), "576");
            }
        })
        {
            Views = LintView.Virtual & ~LintView.Snp,
            Breaks =
            [
                new(LintGuest.OpenBsd, "panics where the size is larger than its struct savefpu",
                    "OpenBSD sys/arch/amd64/amd64/cpu.c, KASSERT of fpu_save_len"),
                new(LintGuest.Xen, "panics: uncompressed hardware size", "Xen xen/arch/x86/xstate.c"),
            ],
            Mend = "Compute EBX from the vCPU's XCR0 at each CPUID; 576 before it runs.",
        },
    ];

    private static ImmutableArray<LintBreak> Consistency(string source) =>
        LinuxReleases.FailedCheck("reports an XSAVE consistency problem and turns XSAVE off: AVX and PKU are gone", source);

    private static bool CanCompute(in LintSubject cpuid) => cpuid.CanJudgeXsaveLeaf && cpuid.IsWhollyPlaced;

    private static bool HasCompaction(in LintSubject cpuid) => cpuid.Has(CpuidFeatures.Xsavec) || cpuid.Has(CpuidFeatures.Xsaves);
}
