using System.Collections.Immutable;
using System.Numerics;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about what one vendor's processors can have, and what a guest may be told of the processor that runs it.</summary>
internal static class VendorRules
{
    // APM Vol. 3, leaf 8000_0001h: these bits of EDX repeat leaf 1 EDX. Bit 9 (APIC) follows the APIC's enable bit and is left out.
    internal const uint MirroredBits = 0x0183_F1FF;

    // Standard-format offsets by component, of the families that a survey of 1,007 dumps found, without one exception.
    private static readonly ImmutableArray<uint>[] IntelOffsets = OffsetsOf(Mxcsr.IntelMask);
    private static readonly ImmutableArray<uint>[] AmdOffsets = WithConsolePart(OffsetsOf(Mxcsr.AmdMask));

    internal static readonly ImmutableArray<CpuidFeature> NeverAmd =
    [
        CpuidFeatures.Mpx, CpuidFeatures.AmxTile, CpuidFeatures.IntelPt, CpuidFeatures.ArchLbr, CpuidFeatures.Uintr, CpuidFeatures.Pks,
    ];

    private static readonly ImmutableArray<CpuidFeature> NotYetAmd = [CpuidFeatures.CetIbt, CpuidFeatures.ApxF];

    internal static readonly ImmutableArray<CpuidFeature> NeverIntel =
    [
        CpuidFeatures.Xop, CpuidFeatures.Fma4, CpuidFeatures.Lwp, CpuidFeatures.Xsaveerptr, CpuidFeatures.Ffxsr,
    ];

    private static readonly LintBreak Native = new(LintGuest.Any,
        "the processor saves and restores at its own places, whatever the guest is told", "rr issue 3573");

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1481", "N31", Severity.Warning, "Components lie where a processor has them",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.CanJudgeXsaveLeaf)
            {
                return;
            }

            for (ulong rest = cpuid.User & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                if (cpuid.IsPlaced(i) && (cpuid.Component(i).Ecx & 1) == 0)
                {
                    CheckOffset(cpuid, ref sink, i, cpuid.Component(i).Ebx);
                }
            }
        })
        {
            Breaks = [Native],
            Mend = "Copy leaf 0xD from the processor that runs the guest.",
        },
        new("XS1482", "N32", Severity.Warning, "The vendor makes such processors", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Processor.IsAmdLike)
            {
                Report(cpuid, ref sink, NeverAmd, Severity.Warning, "AMD");
                Report(cpuid, ref sink, NotYetAmd, Severity.Info, "AMD");
            }
            else if (cpuid.Processor.Vendor == ProcessorVendor.Intel)
            {
                Report(cpuid, ref sink, NeverIntel, Severity.Warning, "Intel");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the guest takes a path of the other vendor, such as skipping the clean-up of x87 pointers",
                "APM Vol. 3, appendix E; survey of 1,007 dumps")],
            Mend = "Hide the feature, or name the vendor that has it.",
        },
        new("XS1483", "N33", Severity.Warning, "AMD's leaf 8000_0001h repeats leaf 1", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.Processor.IsAmdLike || !cpuid.Recorded(LintLeaf.Extended1) || !cpuid.Recorded(LintLeaf.Leaf1))
            {
                return;
            }

            uint basic = cpuid[LintLeaf.Leaf1].Edx & MirroredBits;
            uint extended = cpuid[LintLeaf.Extended1].Edx & MirroredBits;
            if (basic != extended)
            {
                sink.Add(new LintPlace(0x8000_0001, 0, CpuidRegister.Edx), "the bits that repeat leaf 1 EDX differ from it", Hex(extended),
                    Hex(basic));
            }
        })
        {
            Breaks = [new(LintGuest.Any, "old systems read the copy", "APM Vol. 3, appendix E.4.2")],
            Mend = "Copy bits 0 to 8, 12 to 17, 23 and 24 from leaf 1 EDX.",
        },
        new("XS1439", "L39", Severity.Warning, "x87 pointers behave as the processor's", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Context.Host is not { } host || !cpuid.Recorded(LintLeaf.Leaf7))
            {
                return;
            }

            foreach (CpuidFeature feature in (ReadOnlySpan<CpuidFeature>)[CpuidFeatures.ZeroFcsFds, CpuidFeatures.FdpExcptnOnly])
            {
                if (host.TryRead(7, 0, out _) && host.Has(feature) != cpuid.Has(feature))
                {
                    sink.Add(LintPlace.Of(feature), $"{feature.Name} is not as the processor has it", cpuid.Has(feature) ? "1" : "0",
                        host.Has(feature) ? "1" : "0");
                }
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Any, "x87 pointers of an old program are not what the guest expects; they cannot be emulated",
                "SDM Vol. 1, 8.1.8")],
            Mend = "Copy 7.0 EBX[6] and EBX[13] from the processor that runs the guest.",
        },
        new("XS1440", "L40", Severity.Warning, "XSAVEERPTR only where the processor has it",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Context.Host is { } host && cpuid.Has(CpuidFeatures.Xsaveerptr) && !host.Has(CpuidFeatures.Xsaveerptr))
            {
                sink.Add(LintPlace.Of(CpuidFeatures.Xsaveerptr), "XSAVEERPTR is shown and the processor does not have it", "1", "0");
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Any, "skips the clean-up after FXRSTOR, so x87 pointers leak between programs",
                "Linux X86_BUG_FXSAVE_LEAK; APM Vol. 3, 8000_0008h")],
            Mend = "Clear 8000_0008h EBX[2].",
        },
        new("XS1443", "L43", Severity.Error, "Sizes, offsets and alignment are those of the processor that runs the guest",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Context.Host is not { } host || !cpuid.CanJudgeXsaveLeaf)
            {
                return;
            }

            for (ulong rest = (cpuid.User | cpuid.Supervisor) & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                CpuidRegisters here = cpuid.Component(i);
                if (host.TryRead(CpuidTable.XsaveLeaf, (uint)i, out CpuidRegisters there) && there.Eax != 0
                    && (here.Eax != there.Eax || here.Ebx != there.Ebx || ((here.Ecx ^ there.Ecx) & 2) != 0))
                {
                    sink.Add(
                        LintPlace.OfSubleaf(i), $"{StateComponents.NameOf((StateComponent)i)} is told another place than the processor has",
                        Place(here), Place(there));
                }
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [Native],
            Mend = "Copy the sub-leaf from the processor that runs the guest.",
        },
        new("XS1448", "L48", Severity.Warning, "Family 17h shows XSAVES only with fixed microcode",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Processor is { } processor && Erratum1386.Concerns(processor) && cpuid.Has(CpuidFeatures.Xsaves)
                && !Erratum1386.IsFixed(processor, cpuid.Context.Microcode))
            {
                sink.Add(
                    LintPlace.Of(CpuidFeatures.Xsaves),
                    cpuid.Context.Microcode is null ? "XSAVES is shown on AMD family 17h, and the microcode is not known"
                    : "XSAVES is shown on AMD family 17h with microcode before the fix", "1", "0");
            }
        })
        {
            Views = LintView.Virtual,
            Breaks = [new(LintGuest.Any, "XSAVES may leave stale XMM registers", "AMD erratum 1386; Linux b0563468eeac (6.3)")],
            Mend = "Hide XSAVES, or update the microcode (0x08301052 for model 31h, 0x0800126e for model 1h stepping 2).",
        },
    ];

    // LWP behind PKRU: family 17h model 47h, a part for consoles. No system saves LWP, so that it is no family of layouts.
    private static ImmutableArray<uint>[] WithConsolePart(ImmutableArray<uint>[] offsets)
    {
        const uint LwpBehindPkru = 896;
        offsets[(int)StateComponent.Lwp] = offsets[(int)StateComponent.Lwp].Add(LwpBehindPkru);
        return offsets;
    }

    private static ImmutableArray<uint>[] OffsetsOf(uint mxcsrMask) =>
    [
        .. Enumerable.Range(0, 64).Select(i => LayoutFamily.All.Where(family => family.MxcsrMask == mxcsrMask)
            .SelectMany(family => family.Layout.Slots)
            .Where(slot => (int)slot.Component == i)
            .Select(slot => (uint)slot.Offset)
            .Distinct()
            .ToImmutableArray()),
    ];

    /// <summary>
    /// Whether some processor has a component at an offset of the standard format; true where nobody knows any of its places.
    /// </summary>
    internal static bool IsKnownOffset(int component, uint offset) =>
        (IntelOffsets[component].IsEmpty && AmdOffsets[component].IsEmpty && offset >= XsaveFormat.ExtendedOffset)
        || IntelOffsets[component].Contains(offset) || AmdOffsets[component].Contains(offset);

    private static void CheckOffset(in LintSubject cpuid, ref LintSink sink, int component, uint offset)
    {
        bool intel = IntelOffsets[component].Contains(offset);
        bool amd = AmdOffsets[component].Contains(offset);
        bool wrongVendor = (cpuid.Processor.IsAmdLike && intel && !amd)
            || (cpuid.Processor.Vendor is ProcessorVendor.Intel or ProcessorVendor.Zhaoxin && amd && !intel);
        if (IsKnownOffset(component, offset) && !wrongVendor)
        {
            return;
        }

        // QEMU's code generator has Intel's layout under any vendor's name, without AVX-512.
        bool avx512 = component is >= (int)StateComponent.Opmask and <= (int)StateComponent.Hi16Zmm;
        Severity severity = !wrongVendor ? Severity.Warning : !avx512 ? Severity.Info : cpuid.MissingIsZero
            ? Severity.Error : Severity.Warning;
        ImmutableArray<uint> right = cpuid.Processor.IsAmdLike ? AmdOffsets[component] : IntelOffsets[component];
        string name = StateComponents.NameOf((StateComponent)component);
        sink.Add(
            severity, LintPlace.OfSubleaf(component, CpuidRegister.Ebx),
            wrongVendor ? $"{name} lies where the other vendor's processors have it" : $"{name} lies where no processor has it",
            Number(offset), right.IsEmpty ? null : string.Join(" or ", right));
    }

    private static void Report(in LintSubject cpuid, ref LintSink sink, ImmutableArray<CpuidFeature> features, Severity severity,
        string vendor)
    {
        foreach (CpuidFeature feature in features)
        {
            if (cpuid.Has(feature))
            {
                sink.Add(severity, LintPlace.Of(feature), $"no processor of {vendor} has {feature.Name}", "1", "0");
            }
        }
    }

    private static string Place(CpuidRegisters leaf) =>
        $"{Number(leaf.Eax)} at {Number(leaf.Ebx)}{((leaf.Ecx & 2) != 0 ? ", aligned" : "")}";
}
