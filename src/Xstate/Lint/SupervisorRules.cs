using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about supervisor components and the features whose MSRs they hold.</summary>
internal static class SupervisorRules
{
    private const ulong BothCet = 3UL << (int)StateComponent.CetU;

    // A component that needs its feature; the feature may stand without it (Broadwell has PT and no XSAVES).
    private static readonly ImmutableArray<(StateComponent Component, CpuidFeature Feature)> NeedFeature =
    [
        (StateComponent.Pt, CpuidFeatures.IntelPt), (StateComponent.Hdc, CpuidFeatures.Hdc), (StateComponent.Lbr, CpuidFeatures.ArchLbr),
        (StateComponent.Hwp, CpuidFeatures.Hwp),
    ];

    private static readonly LintBreak SupervisorFaults = new(LintGuest.Any, "XRSTORS touches MSRs that are #GP", "SDM Vol. 1, 13.5");

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1419", "L19", Severity.Error, "CET and its components come together", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.CanJudgeXsaveLeaf || cpuid.IsUnknown(LintLeaf.LeafDSub1) || cpuid.IsUnknown(LintLeaf.Leaf7))
            {
                return;
            }

            bool feature = cpuid.Has(CpuidFeatures.CetSs) || cpuid.Has(CpuidFeatures.CetIbt);
            if (feature && !cpuid.Has(CpuidFeatures.Xsaves))
            {
                sink.AddMissing(sink.Usual, cpuid.Has(CpuidFeatures.CetSs) ? CpuidFeatures.CetSs : CpuidFeatures.CetIbt, "XSAVES");
            }
            else if (feature && (cpuid.Supervisor & BothCet) == 0)
            {
                sink.Add(LintPlace.OfComponent(11, supervisor: true) with { HighBit = 12 },
                    "CET is shown and leaf 0xd.1 offers neither cet_u nor cet_s", "0x0", "0x3");
            }
            else if (!feature && (cpuid.Supervisor & BothCet) != 0 && cpuid.Has(CpuidFeatures.Xsaves))
            {
                sink.Add(
                    Severity.Warning, LintPlace.OfComponent(11, supervisor: true) with { HighBit = 12 },
                    "leaf 0xd.1 offers CET's components and CET is not shown",
                    Hex(cpuid.Supervisor >> 11 & 3), "0x0");
            }
        })
        {
            Breaks = [new(LintGuest.Linux, "user shadow stacks need component 11",
                "Linux arch/x86/kernel/shstk.c; KVM offers 11 and 12 together")],
            Mend = "Show CET with XSAVES and bits 11 and 12 of leaf 0xD.1, or hide all of it.",
        },
        new("XS1469", "N19", Severity.Error, "CET has both components; supervisor shadow stacks need shadow stacks",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            ulong cet = cpuid.Supervisor & BothCet;
            if (cpuid.CanJudgeXsaveLeaf && cet != 0 && cet != BothCet)
            {
                bool user = cpuid.HasSupervisor(StateComponent.CetU);
                sink.Add(
                    user ? Severity.Warning : Severity.Error, LintPlace.OfComponent(user ? 12 : 11, supervisor: true),
                    $"leaf 0xd.1 offers {(user ? "cet_u without cet_s" : "cet_s without cet_u")}", "0", "1");
            }

            if (cpuid.Has(CpuidFeatures.CetSss) && !cpuid.Has(CpuidFeatures.CetSs))
            {
                sink.AddMissing(Severity.Warning, CpuidFeatures.CetSss, "CET_SS");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "shadow stacks of user code are not switched",
                "OpenVMM hides CET_SS unless both are there; OpenBSD takes component 11 for IBT")],
            Mend = "Offer both components or neither.",
        },
        new("XS1470", "N20", Severity.Warning, "UINTR and ENQCMD come with their components",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CheckBoth(cpuid, ref sink, CpuidFeatures.Uintr, StateComponent.Uintr);
            CheckBoth(cpuid, ref sink, CpuidFeatures.Enqcmd, StateComponent.Pasid);
        })
        {
            Breaks = [new(LintGuest.Linux, "clears ENQCMD without XSAVES",
                "Linux arch/x86/kernel/cpu/cpuid-deps.c; survey of 1,007 dumps")],
            Mend = "Show both or neither.",
        },
        new("XS1471", "N21 L20", Severity.Warning, "PT, HDC, LBR and HWP components need their features",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            foreach ((StateComponent component, CpuidFeature feature) in NeedFeature)
            {
                bool unknown = feature.Leaf == 6 ? cpuid.IsUnknown(LintLeaf.Leaf6) : cpuid.IsUnknown(LintLeaf.Leaf7);
                if (cpuid.CanJudgeXsaveLeaf && !unknown && cpuid.HasSupervisor(component) && !cpuid.Has(feature))
                {
                    sink.Add(LintPlace.OfComponent((int)component, supervisor: true),
                        $"leaf 0xd.1 offers {StateComponents.NameOf(component)} and {feature.Name} is not shown", "1", "0");
                }
            }
        })
        {
            Breaks = [SupervisorFaults],
            Mend = "Clear the bit of leaf 0xD.1 with its sub-leaf, or show the feature.",
        },
        new("XS1472", "N22", Severity.Error, "Architectural LBRs have a depth, and their component its size",
            static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!cpuid.Has(CpuidFeatures.ArchLbr) || cpuid.MaxBasic < 0x1C || cpuid.IsUnknown(LintLeaf.Leaf1C))
            {
                return;
            }

            uint depths = cpuid[LintLeaf.Leaf1C].Eax & 0xFF;
            if (depths == 0)
            {
                sink.Add(new LintPlace(0x1C, 0, CpuidRegister.Eax, 7, 0), "ARCH_LBR is shown without a depth", "0x0",
                    "a bit for each depth");
                return;
            }

            const uint Full = 808;
            uint size = LbrLength(depths);
            uint told = cpuid.Component((int)StateComponent.Lbr).Eax;
            if (cpuid.CanJudgeXsaveLeaf && cpuid.HasSupervisor(StateComponent.Lbr) && told != 0 && told != size && told != Full)
            {
                sink.Add(Severity.Warning, LintPlace.OfSubleaf(15, CpuidRegister.Eax), "lbr does not have the size of its greatest depth",
                    Number(told), $"{Number(size)} or {Number(Full)}");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "writing IA32_LBR_DEPTH is #GP", "SDM Vol. 3B, 20.1; Vol. 1, 13.5.12")],
            Mend = "Copy leaf 0x1C and sub-leaf 0xF from the processor that runs the guest.",
        },
    ];

    /// <summary>
    /// Bytes of the LBR component for the depths of leaf 0x1C: 40 of control registers, then 24 for each record; bit n stands for depth
    /// 8(n+1).
    /// </summary>
    internal static uint LbrLength(uint depths) => 40 + (24 * 8 * (uint)(System.Numerics.BitOperations.Log2(depths) + 1));

    private static void CheckBoth(in LintSubject cpuid, ref LintSink sink, CpuidFeature feature, StateComponent component)
    {
        if (!cpuid.CanJudgeXsaveLeaf || cpuid.IsUnknown(LintLeaf.LeafDSub1) || cpuid.IsUnknown(LintLeaf.Leaf7))
        {
            return;
        }

        bool shown = cpuid.Has(feature);
        if (shown && !cpuid.Has(CpuidFeatures.Xsaves))
        {
            sink.AddMissing(sink.Usual, feature, "XSAVES");
        }
        else if (shown != cpuid.HasSupervisor(component))
        {
            sink.Add(
                LintPlace.OfComponent((int)component, supervisor: true),
                $"{feature.Name} and bit {(int)component} of leaf 0xd.1 do not agree",
                shown ? "0" : "1", shown ? "1" : "0");
        }
    }
}
