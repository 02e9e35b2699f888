using System.Collections.Immutable;
using System.Numerics;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about the sub-leaves of leaf 0xD: one a component, with size, offset and flags.</summary>
internal static class SubleafRules
{
    private const ulong Legacy = 3;

    // Sizes that a processor has beside the catalogue's: PKRU of Zen 2 (EPYC 7402P).
    private const int Zen2PkruLength = 64;

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1201", "L24", Severity.Error, "An announced component has a size", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = Announced(cpuid) & cpuid.RecordedComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                if (cpuid.Component(i).Eax != 0)
                {
                    continue;
                }

                // One generation of a dump program printed the last component as zeros: 34 of 1,007 dumps.
                bool artefact = cpuid.Context.View == LintView.BareMetal && cpuid.Component(i).IsZero
                    && (i == Last(cpuid.User) || i == Last(cpuid.User | cpuid.Supervisor));
                sink.Add(
                    artefact ? Severity.Info : Severity.Error, LintPlace.OfSubleaf(i, CpuidRegister.Eax),
                    artefact ? $"the sub-leaf of {NameOf(i)} is zero: old dump programs lost the last one"
                    : $"{NameOf(i)} is offered and has no size", "0", SizeOf(i));
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "finds no structure or a size of 0 and turns XSAVE off", "Linux arch/x86/kernel/fpu/xstate.c")],
            Mend = "Fill the sub-leaf from the processor that runs the guest, or stop offering the component.",
        },
        new("XS1202", "N07 L46", Severity.Error, "An announced component has an entry", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = Announced(cpuid) & ~cpuid.RecordedComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                sink.Add(
                    cpuid.MissingIsZero ? Severity.Error : Severity.Info, LintPlace.OfSubleaf(i),
                    cpuid.MissingIsZero ? $"{NameOf(i)} is offered and its sub-leaf has no entry, which reads as zeros"
                    : $"the sub-leaf of {NameOf(i)} is not recorded");
            }
        })
        {
            Breaks =
            [
                new(LintGuest.Linux, "finds no structure or a size of 0 and turns XSAVE off", "Linux arch/x86/kernel/fpu/xstate.c"),
                new(LintGuest.Xen, "stops at a BUG_ON", "Xen xen/arch/x86/xstate.c"),
            ],
            Mend = "Add the entry from the processor that runs the guest, or stop offering the component.",
        },
        new("XS1204", "L25", Severity.Error, "A user component lies behind the header", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = UserOnly(cpuid); rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                CpuidRegisters leaf = cpuid.Component(i);
                if ((leaf.Ecx & 1) != 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 0, 0),
                        $"{NameOf(i)} is offered for XCR0 and its sub-leaf says supervisor", "1", "0");
                }
                else if (leaf.Eax != 0 && (leaf.Ebx < XsaveFormat.ExtendedOffset || leaf.Ebx > XsaveLayout.MaxAreaLength))
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ebx),
                        $"{NameOf(i)} lies in the legacy region or the header, or beyond any area", Number(leaf.Ebx), "576 or above");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "saving the component overwrites the header", "SDM Vol. 1, 13.4")],
            Mend = "Copy the sub-leaf from the processor that runs the guest.",
        },
        new("XS1426", "L26", Severity.Error, "A supervisor component has no offset and says so",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = SupervisorOnly(cpuid) & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                CpuidRegisters leaf = cpuid.Component(i);
                if ((leaf.Ecx & 1) == 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 0, 0),
                        $"{NameOf(i)} is offered for IA32_XSS and its sub-leaf says user", "0", "1");
                }
                else if (leaf.Ebx != 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ebx),
                        $"{NameOf(i)} is a supervisor component and has an offset in the standard format", Number(leaf.Ebx), "0");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "takes it for user state", "SDM Vol. 1, 13.2; Linux arch/x86/kernel/fpu/xstate.c")],
            Mend = "Set ECX[0] and zero EBX of the sub-leaf.",
        },
        new("XS1427", "L27", Severity.Error, "Components do not overlap", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            ulong placed = Placed(cpuid);
            for (ulong rest = placed; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                for (ulong others = rest & (rest - 1); others != 0; others &= others - 1)
                {
                    int j = BitOperations.TrailingZeroCount(others);
                    if (Overlap(cpuid.Component(i), cpuid.Component(j)) && !Exclude(i, j) && !IsLwpPair(i, j))
                    {
                        sink.Add(
                            LintPlace.OfSubleaf(j, CpuidRegister.Ebx), $"{NameOf(j)} overlaps {NameOf(i)} in the standard format",
                            Range(cpuid.Component(j)), $"outside {Range(cpuid.Component(i))}");
                    }
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "saving one component overwrites the other", "SDM Vol. 1, 13.4.3")],
            Mend = "Copy both sub-leaves from the processor that runs the guest.",
        },
        new("XS1428", "L28", Severity.Warning, "A component that is not offered has an empty sub-leaf",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            ulong extra = cpuid.CanJudgeXsaveLeaf && !cpuid.IsUnknown(LintLeaf.LeafDSub1)
                ? cpuid.FilledComponents & ~(cpuid.User | cpuid.Supervisor) : 0;
            for (; extra != 0; extra &= extra - 1)
            {
                int i = BitOperations.TrailingZeroCount(extra);
                sink.Add(LintPlace.OfSubleaf(i), $"{NameOf(i)} is not offered and its sub-leaf has contents",
                    $"{Number(cpuid.Component(i).Eax)} bytes", "zeros");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "software that walks the sub-leaves computes another size than leaf 0xD.0 tells",
                "SDM Vol. 2A, CPUID leaf 0xD")],
            Mend = "Zero the sub-leaf, or offer the component.",
        },
        new("XS1429", "L29", Severity.Error, "A component has the size that its manual fixes",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = Announced(cpuid) & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                CpuidRegisters leaf = cpuid.Component(i);
                if (leaf.Eax != 0 && StateComponents.Find((StateComponent)i) is { } info && leaf.Eax != info.Size
                    && !IsOtherSize(cpuid, i, leaf))
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Eax), $"{info.Name} has another size than its manual fixes",
                        Number(leaf.Eax), Number(info.Size));
                }
            }
        })
        {
            Breaks = LinuxReleases.FailedCheck("compares with its own structures, warns, and turns XSAVE off",
                "Linux check_xstate_against_struct; QEMU's assertion on a Ryzen 3900X"),
            Mend = "Copy the sub-leaf from the processor that runs the guest.",
        },
        new("XS1430", "L30", Severity.Warning, "Reserved bits of leaf 0xD are zero", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint features = cpuid[LintLeaf.LeafDSub1].Eax & ~0x1Fu;
            if (cpuid.CanJudgeXsaveLeaf && features != 0)
            {
                sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 1, CpuidRegister.Eax, 31, 5), "leaf 0xd.1 EAX has reserved bits",
                    Hex(features), "0x0");
            }

            for (ulong rest = Announced(cpuid) & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                CpuidRegisters leaf = cpuid.Component(i);
                if ((leaf.Ecx & ~7u) != 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 31, 3), $"the sub-leaf of {NameOf(i)} has reserved bits",
                        Hex(leaf.Ecx & ~7u), "0x0");
                }

                if (leaf.Edx != 0)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Edx), $"EDX of the sub-leaf of {NameOf(i)} is reserved", Hex(leaf.Edx),
                        "0x0");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "a later system reads a meaning that was not meant", "SDM Vol. 2A, CPUID leaf 0xD")],
            Mend = "Clear the bits.",
        },
        new("XS1442", "L42", Severity.Warning, "LWP and its component come together, and without AVX-512",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.CanJudgeXsaveLeaf || cpuid.IsUnknown(LintLeaf.Extended1))
            {
                return;
            }

            bool feature = cpuid.Has(CpuidFeatures.Lwp);
            bool component = cpuid.HasUser(StateComponent.Lwp);
            if (feature != component)
            {
                // Four dumps of Opterons have the component with the feature turned off.
                sink.Add(component ? Severity.Info : Severity.Warning, LintPlace.Of(CpuidFeatures.Lwp),
                    "LWP and bit 62 of leaf 0xd.0 do not agree", feature ? "1" : "0", component ? "1" : "0");
            }
            else if (component && cpuid.HasUser(StateComponent.Opmask) && Overlap(cpuid.Component(62), cpuid.Component(5)))
            {
                sink.Add(Severity.Error, LintPlace.OfSubleaf(62, CpuidRegister.Ebx), "lwp and opmask share their bytes",
                    Range(cpuid.Component(62)), $"outside {Range(cpuid.Component(5))}");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "saving one overwrites the other", "APM Vol. 3, appendix E.3.7; survey of 1,007 dumps")],
            Mend = "Hide LWP and bit 62.",
        },
        new("XS1455", "N05", Severity.Error, "Only tile state is aligned in the compacted format",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = Announced(cpuid) & cpuid.FilledComponents; rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                bool tile = i is (int)StateComponent.TileCfg or (int)StateComponent.TileData;
                bool aligned = (cpuid.Component(i).Ecx & 2) != 0;
                if (aligned != tile && StateComponents.Find((StateComponent)i) is not null)
                {
                    sink.Add(
                        LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 1, 1),
                        $"the processor {(tile ? "aligns" : "does not align")} {NameOf(i)}, whatever the guest is told",
                        aligned ? "1" : "0", tile ? "1" : "0");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "computes other offsets than the processor uses",
                "Linux xfeature_is_aligned; SDM Vol. 1, 13.4.3")],
            Mend = "Copy ECX of the sub-leaf from the processor that runs the guest.",
        },
        new("XS1478", "N28", Severity.Info, "Offsets ascend with the component numbers", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            uint end = 0;
            int before = 0;
            for (ulong rest = Placed(cpuid); rest != 0; rest &= rest - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                uint offset = cpuid.Component(i).Ebx;
                bool knownException = i is (int)StateComponent.Apx or (int)StateComponent.Lwp;
                if (offset < end && !knownException)
                {
                    sink.Add(LintPlace.OfSubleaf(i, CpuidRegister.Ebx), $"{NameOf(i)} lies before {NameOf(before)}", Number(offset),
                        $"behind byte {Number(end)}");
                }

                (end, before) = offset >= end ? (offset, i) : (end, before);
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "warns of misordered state",
                "Linux 031b33ef1a6a, which took the check away") { Until = LinuxReleases.AnyOrder, IsSurvived = true }],
            Mend = "Nothing; the table is right where the processor has it.",
        },
        new("XS1479", "N29", Severity.Warning, "APX lies at 960", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            const uint ApxOffset = 960;
            if (cpuid.CanJudgeXsaveLeaf && cpuid.HasUser(StateComponent.Apx) && cpuid.Component(19) is { Eax: > 0 } leaf
                && leaf.Ebx != ApxOffset)
            {
                sink.Add(LintPlace.OfSubleaf(19, CpuidRegister.Ebx), "apx is not in the bytes that MPX had", Number(leaf.Ebx),
                    Number(ApxOffset));
            }

            if (cpuid.Has(CpuidFeatures.ApxF) && cpuid.MaxBasic >= 0x29 && !cpuid.IsUnknown(LintLeaf.Leaf29)
                && !cpuid.Has(CpuidFeatures.ApxNciNddNf))
            {
                sink.Add(LintPlace.Of(CpuidFeatures.ApxNciNddNf), "APX is shown and leaf 0x29 does not have its instructions", "0", "1");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "the processor saves the registers elsewhere", "Intel APX architecture specification, 3.1.4")],
            Mend = "Copy the sub-leaf, and leaf 0x29, from the processor that runs the guest.",
        },
        new("XS1480", "N30", Severity.Warning, "Only tile data can be disabled by IA32_XFD",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            for (ulong rest = Announced(cpuid) & cpuid.FilledComponents & ~(1UL << (int)StateComponent.TileData); rest != 0; rest &= rest
                - 1)
            {
                int i = BitOperations.TrailingZeroCount(rest);
                if ((cpuid.Component(i).Ecx & 4) != 0)
                {
                    bool named = StateComponents.Find((StateComponent)i) is not null;
                    sink.Add(named ? Severity.Warning : Severity.Info, LintPlace.OfSubleaf(i, CpuidRegister.Ecx, 2, 2),
                        $"the sub-leaf of {NameOf(i)} says that IA32_XFD can disable it", "1", "0");
                }
            }
        })
        {
            Breaks = [new(LintGuest.Any, "WRMSR of IA32_XFD is #GP", "SDM Vol. 1, 13.14")],
            Mend = "Clear ECX[2] of the sub-leaf.",
        },
    ];

    // Components with a sub-leaf of their own that either mask offers.
    private static ulong Announced(in LintSubject cpuid) =>
        cpuid.CanJudgeXsaveLeaf ? (cpuid.User | cpuid.Supervisor) & ~(Legacy | XsaveFormat.CompactedFlag) : 0;

    private static ulong UserOnly(in LintSubject cpuid) => Announced(cpuid) & cpuid.User & ~cpuid.Supervisor & cpuid.FilledComponents;

    private static ulong SupervisorOnly(in LintSubject cpuid) => Announced(cpuid) & cpuid.Supervisor & ~cpuid.User;

    private static ulong Placed(in LintSubject cpuid)
    {
        ulong placed = 0;
        for (ulong rest = UserOnly(cpuid); rest != 0; rest &= rest - 1)
        {
            int i = BitOperations.TrailingZeroCount(rest);
            placed |= cpuid.IsPlaced(i) && (cpuid.Component(i).Ecx & 1) == 0 ? 1UL << i : 0;
        }

        return placed;
    }

    private static bool Overlap(CpuidRegisters a, CpuidRegisters b) => a.Ebx < b.Ebx + b.Eax && b.Ebx < a.Ebx + a.Eax;

    private static bool Exclude(int i, int j) => StateComponents.Find((StateComponent)i) is { } info
        && info.Excludes.Contains((StateComponent)j);

    // Rule L42 speaks of these.
    private static bool IsLwpPair(int i, int j) => j == (int)StateComponent.Lwp
        && i is >= (int)StateComponent.Opmask and <= (int)StateComponent.Hi16Zmm;

    private static bool IsOtherSize(in LintSubject cpuid, int component, CpuidRegisters leaf) => component switch
    {
        (int)StateComponent.Pkru => leaf.Eax == Zen2PkruLength && !cpuid.HasUser(StateComponent.Opmask),
        (int)StateComponent.Lbr => true, // Follows the depth: rule N22.
        _ => false,
    };

    private static int Last(ulong components) => 63 - BitOperations.LeadingZeroCount(components);

    private static string NameOf(int component) => StateComponents.NameOf((StateComponent)component);

    private static string SizeOf(int component) => StateComponents.Find((StateComponent)component) is { } info
        ? Number(info.Size) : "not 0";

    private static string Range(CpuidRegisters leaf) => $"{Number(leaf.Ebx)} to {Number((long)leaf.Ebx + leaf.Eax - 1)}";
}
