using System.Collections.Immutable;
using System.Numerics;
using Xstate.Architecture;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>
/// Rule N34: what a trust domain sees follows from XFAM, the set of components that the module lets it use (Intel TDX module
/// specification). Components of XFAM: 0 to 7, 9, 17 to 19 in leaf 0xD.0, 8 and 10 to 16 in 0xD.1.
/// </summary>
internal static class TdxChecks
{
    private const ulong User = 0xE_02FF;
    private const ulong Supervisor = 0x1_FD00;

    private static readonly ImmutableArray<ulong> Groups = [0xE4, 0x6_0000, 0x1800];

    private static readonly ImmutableArray<(CpuidFeature Feature, int Bit)> Followers =
    [
        (CpuidFeatures.Avx, 2), (CpuidFeatures.Avx512f, 5), (CpuidFeatures.IntelPt, 8), (CpuidFeatures.Pku, 9), (CpuidFeatures.CetSs, 11),
            (CpuidFeatures.CetIbt, 11),
        (CpuidFeatures.Uintr, 14), (CpuidFeatures.ArchLbr, 15), (CpuidFeatures.AmxTile, 17), (CpuidFeatures.ApxF, 19),
    ];

    public static void Check(in LintSubject cpuid, ref LintSink sink)
    {
        if (!cpuid.CanJudgeXsaveLeaf)
        {
            return;
        }

        ulong xfam = cpuid.Context.Xfam?.Bits ?? (cpuid.User | cpuid.Supervisor);
        LintPlace mask = new(CpuidTable.XsaveLeaf, 0, CpuidRegister.Eax);
        if ((xfam & 3) != 3 && cpuid.Context.Xfam is not null)
        {
            sink.Add(mask, "XFAM does not have x87 and SSE, which the module fixes to 1", Hex(xfam), Hex(xfam | 3));
        }

        if (cpuid.User != (xfam & User))
        {
            sink.Add(mask, "leaf 0xd.0 is not what XFAM permits", Hex(cpuid.User), Hex(xfam & User));
        }

        if (cpuid.Supervisor != (xfam & Supervisor))
        {
            sink.Add(new LintPlace(CpuidTable.XsaveLeaf, 1, CpuidRegister.Ecx), "leaf 0xd.1 is not what XFAM permits",
                Hex(cpuid.Supervisor), Hex(xfam & Supervisor));
        }

        foreach (ulong group in Groups)
        {
            // The group of AVX-512 needs AVX, which may stand alone.
            ulong there = xfam & group;
            if (there != 0 && there != group && !(group == 0xE4 && there == 4))
            {
                int low = BitOperations.TrailingZeroCount(group & ~there);
                sink.Add(LintPlace.OfComponent(low, (Supervisor >> low & 1) != 0), "XFAM has a part of a group that goes together",
                    Hex(there), Hex(group));
            }
        }

        foreach ((CpuidFeature feature, int bit) in Followers)
        {
            if (cpuid.Has(feature) && (xfam >> bit & 1) == 0)
            {
                sink.Add(LintPlace.Of(feature), $"{feature.Name} is shown and XFAM[{bit}] is clear", "1", "0");
            }
        }
    }
}
