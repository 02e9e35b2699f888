using System.Collections.Immutable;
using System.Numerics;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about tables as KVM, TDX and SEV-SNP take them, and about tables as such.</summary>
internal static class HypervisorRules
{
    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1444", "L44", Severity.Error, "Leaf 0xD offers what XSETBV and IA32_XSS take",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.CanJudgeXsaveLeaf)
            {
                return;
            }

            if (cpuid.Context.AcceptedXcr0 is { } xcr0 && cpuid.User != xcr0.Bits)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 0, CpuidRegister.Eax), "leaf 0xd.0 offers other components than XSETBV takes",
                    Hex(cpuid.User), Hex(xcr0.Bits));
            }

            if (cpuid.Context.AcceptedXss is { } xss && cpuid.Supervisor != xss.Bits)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ecx),
                    "leaf 0xd.1 offers other components than IA32_XSS takes", Hex(cpuid.Supervisor), Hex(xss.Bits));
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Any, "#GP at boot, or state that one guest leaves for the next",
                "KVM's xcr0_cpuid_test and xss_msr_test; OpenBSD vmm and PKRU")],
            Mend = "Offer what the hypervisor takes and switches, no more and no less.",
        },
        new("XS1445", "L45", Severity.Info, "PKS and Key Locker have no component", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            foreach (CpuidFeature feature in (ReadOnlySpan<CpuidFeature>)[CpuidFeatures.Pks, CpuidFeatures.Kl])
            {
                if (cpuid.Has(feature))
                {
                    sink.Add(LintPlace.Of(feature),
                        $"{feature.Name} is shown; its state is in no component, so the VMM has to switch and migrate it itself", "1");
                }
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Any, "IA32_PKRS or the wrapping key of another guest stays in force", "SDM Vol. 3A, 4.6.2")],
            Mend = "Switch the register by hand, or hide the feature. KVM offers neither.",
        },
        new("XS1447", "L47", Severity.Warning, "A vCPU starts with XCR0 1 and IA32_XSS 0",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.Context.AtStart)
            {
                return;
            }

            if (cpuid.Context.Xcr0 is { } xcr0 && xcr0.Bits != 1)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 0, CpuidRegister.Ebx), "the vCPU does not start with the XCR0 of RESET",
                    xcr0.ToString(), "0x1");
            }

            if (cpuid.Context.Xss is { } xss && !xss.IsEmpty)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ebx), "the vCPU does not start with the IA32_XSS of RESET",
                    xss.ToString(), "0x0");
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Linux, "warns, and later takes #GP in XRSTORS", "ACRN issue 4430")],
            Mend = "Start the vCPU with the values of RESET.",
        },
        new("XS1458", "N08", Severity.Error, "Entries with sub-leaves say so", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.Context.HasIndexFlags)
            {
                return;
            }

            foreach (CpuidEntry entry in cpuid.Table.Entries)
            {
                if (!entry.SubleafSignificant && (entry.Leaf is 7 or CpuidTable.XsaveLeaf or 0x14 or 0x1D or 0x1E or 0x24))
                {
                    sink.Add(new LintPlace(entry.Leaf, entry.Subleaf),
                        "the entry has no KVM_CPUID_FLAG_SIGNIFCANT_INDEX, so it answers for every sub-leaf", "0", "1");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "0xD.0 answers for every component", "Linux cpuid_entry2_find, arch/x86/kvm/cpuid.c")],
            Mend = "Set the flag.",
        },
        new("XS1459", "N09", Severity.Warning, "A leaf and sub-leaf has one entry", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            // Inputs seen so far, by a hash of 1,024 bits: only one that may be known is searched for.
            const int Words = 16;
            ReadOnlySpan<CpuidEntry> entries = cpuid.Table.Entries.AsSpan();
            Span<ulong> seen = stackalloc ulong[Words];
            seen.Clear();
            for (int i = 0; i < entries.Length; i++)
            {
                uint hash = (entries[i].Leaf * 0x9E37_79B1u) ^ ((entries[i].SubleafSignificant ? entries[i].Subleaf : 0) * 0x85EB_CA6Bu);
                ref ulong word = ref seen[(int)(hash >> 28)];
                ulong bit = 1UL << (int)(hash >> 22 & 63);
                bool maybe = (word & bit) != 0;
                word |= bit;
                if (maybe && IsRepeated(entries, i))
                {
                    sink.Add(new LintPlace(entries[i].Leaf, entries[i].SubleafSignificant ? entries[i].Subleaf : 0),
                        "the answer is there twice; the first one counts");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "KVM takes the first", "Linux cpuid_entry2_find, arch/x86/kvm/cpuid.c")],
            Mend = "Drop the later entry.",
        },
        new("XS1484", "N34", Severity.Error, "A trust domain's leaf 0xD is its XFAM",
            static (in LintSubject cpuid, ref LintSink sink) => TdxChecks.Check(cpuid, ref sink))
        {
            Views = LintView.Tdx,
            Breaks = [new(LintGuest.Any, "KVM_TDX_INIT_VM is EINVAL, or the module answers otherwise than KVM was told",
                "Linux arch/x86/kvm/vmx/tdx.c; Intel TDX module specification, XFAM")],
            Mend = "Derive leaf 0xD and the features from XFAM.",
        },
        new("XS1485", "N35", Severity.Error, "The CPUID page of SEV-SNP has all that the kernel sums up",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.HasXsave)
            {
                return;
            }

            Missing(cpuid, ref sink, LintLeaf.LeafD, 0);
            Missing(cpuid, ref sink, LintLeaf.LeafDSub1, 1);
            for (ulong rest = (cpuid.User | cpuid.Supervisor) & cpuid.FilledComponents & ~3UL; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                if ((cpuid.Component(i).Ecx & 2) != 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 1, 1),
                        $"{StateComponents.NameOf((StateComponent)i)} is aligned, which the kernel does not count", "1", "not offered");
                }
            }
        })
        {
            Views = LintView.Snp,
            Breaks =
            [
                new(LintGuest.Linux, "sums the sizes without alignment; without an entry the size is 0 and the guest ends",
                    "Linux snp_cpuid_calc_xsave_size, arch/x86/boot/startup/sev-shared.c"),
                new(LintGuest.Any, "firmware panics where XCR0_IN is 0", "coconut-svsm issue 1063"),
            ],
            Mend = "Add the entries with XCR0_IN 1 or 3 and XSS_IN 0, and stop offering aligned components.",
        },
        new("XS1487", "N37", Severity.Info, "AMX needs a permission before KVM_SET_CPUID2",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.CanJudgeXsaveLeaf && cpuid.HasUser(StateComponent.TileData))
            {
                sink.Add(LintPlace.OfComponent(18),
                    "tiledata is offered; the VMM asks for it with ARCH_REQ_XCOMP_GUEST_PERM before the first vCPU", "1");
            }
        })
        {
            Views = LintView.Kvm,
            Breaks = [new(LintGuest.Any, "KVM_SET_CPUID2 is refused", "Linux 5.17, Documentation/arch/x86/xstate.rst")],
            Mend = "Call arch_prctl(ARCH_REQ_XCOMP_GUEST_PERM, 18) before KVM_CREATE_VCPU.",
        },
        new("XS1488", "N38", Severity.Info, "Registers that a processor before SSE leaves over are not judged",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.IsBeforeSse)
            {
                sink.Add(new LintPlace(1, 0, CpuidRegister.Ecx),
                    "leaf 1 ECX and 8000_0001h ECX of a processor without SSE are not looked at");
            }
        })
        {
            Views = LintView.BareMetal,
            Breaks = [new(LintGuest.Any, "nothing; the contents mean nothing", "Survey of 1,007 dumps: WinChip C6, VIA Samuel")],
            Mend = "Nothing.",
        },
    ];

    private static bool IsRepeated(ReadOnlySpan<CpuidEntry> entries, int index)
    {
        ref readonly CpuidEntry entry = ref entries[index];
        for (int j = 0; j < index; j++)
        {
            if (entries[j].Leaf == entry.Leaf && entries[j].SubleafSignificant == entry.SubleafSignificant
                && (!entry.SubleafSignificant || entries[j].Subleaf == entry.Subleaf))
            {
                return true;
            }
        }

        return false;
    }

    private static void Missing(in LintSubject cpuid, ref LintSink sink, LintLeaf leaf, uint subleaf)
    {
        if (!cpuid.Recorded(leaf))
        {
            sink.Add(new LintPlace(CpuidTable.XsaveLeaf, subleaf),
                $"XSAVE is shown and the page has no entry for leaf {CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, subleaf)}");
        }
    }
}
