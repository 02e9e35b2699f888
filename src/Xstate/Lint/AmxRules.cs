using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Findings;
using static Xstate.Lint.LintSink;

namespace Xstate.Lint;

/// <summary>Rules about AMX: its leaves and the geometry of its tiles.</summary>
internal static class AmxRules
{
    private static readonly ImmutableArray<CpuidFeature> Parts = [CpuidFeatures.AmxBf16, CpuidFeatures.AmxInt8, CpuidFeatures.AmxFp16,
        CpuidFeatures.AmxComplex];

    internal static readonly ImmutableArray<(CpuidFeature InLeaf1E, CpuidFeature InLeaf7)> Mirrors =
    [
        (CpuidFeatures.AmxInt81e, CpuidFeatures.AmxInt8), (CpuidFeatures.AmxBf161e, CpuidFeatures.AmxBf16),
        (CpuidFeatures.AmxComplex1e, CpuidFeatures.AmxComplex), (CpuidFeatures.AmxFp161e, CpuidFeatures.AmxFp16),
    ];

    private static readonly LintBreak Geometry = new(LintGuest.Linux, "checks the tiles against component 18 and turns XSAVE off",
        "Linux check_xtile_data_against_struct");

    /// <summary>The rules.</summary>
    public static ImmutableArray<LintRule> All { get; } =
    [
        new("XS1436", "L36", Severity.Error, "AMX has leaves 0x1D and 0x1E", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (!HasTiles(cpuid))
            {
                return;
            }

            CheckFilled(cpuid, ref sink, LintLeaf.Leaf1D, new LintPlace(0x1D, 0));
            CheckFilled(cpuid, ref sink, LintLeaf.Leaf1DSub1, new LintPlace(0x1D, 1));
            CheckFilled(cpuid, ref sink, LintLeaf.Leaf1E, new LintPlace(0x1E, 0));
        })
        {
            Breaks = [Geometry],
            Mend = "Copy leaves 0x1D and 0x1E from the processor that runs the guest, or hide AMX.",
        },
        new("XS1462", "N12", Severity.Error, "AMX's operations need AMX_TILE", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            if (cpuid.Has(CpuidFeatures.AmxTile))
            {
                return;
            }

            foreach (CpuidFeature part in Parts)
            {
                if (cpuid.Has(part))
                {
                    sink.AddMissing(sink.Usual, part, "AMX_TILE");
                }
            }

            if (cpuid[LintLeaf.Leaf1ESub1].Eax != 0 && !cpuid.IsUnknown(LintLeaf.Leaf7))
            {
                sink.Add(new LintPlace(0x1E, 1, CpuidRegister.Eax), "leaf 0x1e.1 has operations of AMX without AMX_TILE",
                    Hex(cpuid[LintLeaf.Leaf1ESub1].Eax), "0x0");
            }
        })
        {
            Breaks = [new(LintGuest.Any, "a tile instruction is #UD", "Xen xen/tools/gen-cpuid.py")],
            Mend = "Hide the operations, or show AMX_TILE with its components.",
        },
        new("XS1463", "N13", Severity.Warning, "Leaf 0x1E.1 repeats leaf 7", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CpuidRegisters operations = cpuid[LintLeaf.Leaf1ESub1];
            if (!HasTiles(cpuid) || operations.IsZero)
            {
                return;
            }

            foreach ((CpuidFeature there, CpuidFeature here) in Mirrors)
            {
                if (there.IsIn(operations) != cpuid.Has(here))
                {
                    sink.Add(LintPlace.Of(there), $"{here.Name} is not the same in leaf 7 and leaf 0x1e.1", Bit(there.IsIn(operations)),
                        Bit(cpuid.Has(here)));
                }
            }

            if (cpuid[LintLeaf.Leaf1E].Eax == 0)
            {
                sink.Add(new LintPlace(0x1E, 0, CpuidRegister.Eax), "leaf 0x1e.1 has bits and leaf 0x1e.0 says that it does not exist",
                    "0", "at least 1");
            }

            CheckNeeds(cpuid, ref sink, CpuidFeatures.AmxAvx512, CpuidFeatures.Avx512f);
            CheckNeeds(cpuid, ref sink, CpuidFeatures.AmxMovrs, CpuidFeatures.Movrs);
        })
        {
            Breaks = [new(LintGuest.Any, "programs that read one of the two leaves decide otherwise than those that read the other",
                "Intel ISE extensions reference, CPUID leaf 0x1E")],
            Mend = "Make the bits of leaf 0x1E.1 those of leaf 7.",
        },
        new("XS1464", "N14", Severity.Error, "The tiles fill component 18", static (in LintSubject cpuid, ref LintSink sink) =>
        {
            CpuidRegisters palette = cpuid[LintLeaf.Leaf1DSub1];
            if (!HasTiles(cpuid) || palette.IsZero)
            {
                return;
            }

            uint total = palette.Eax & 0xFFFF;
            uint perTile = palette.Eax >> 16;
            uint perRow = palette.Ebx & 0xFFFF;
            uint names = palette.Ebx >> 16;
            uint rows = palette.Ecx & 0xFFFF;
            if (perRow * rows != perTile || perTile * names != total)
            {
                sink.Add(new LintPlace(0x1D, 1), "rows, bytes and names of the tiles do not multiply",
                    $"{perRow} x {rows}, {perTile} x {names}", $"{perTile}, {total}");
            }

            uint size = cpuid.Component((int)StateComponent.TileData).Eax;
            if (cpuid.CanJudgeXsaveLeaf && cpuid.HasUser(StateComponent.TileData) && size != 0 && size != total)
            {
                sink.Add(new LintPlace(0x1D, 1, CpuidRegister.Eax, 15, 0), "the tiles are not as large as tiledata", Number(total),
                    Number(size));
            }

            if (cpuid[LintLeaf.Leaf1D].Eax == 0 && !cpuid[LintLeaf.Leaf1D].IsZero)
            {
                sink.Add(new LintPlace(0x1D, 0, CpuidRegister.Eax), "no palette is told", "0", "at least 1");
            }

            uint multiplier = rows | perRow << 8;
            if (!cpuid[LintLeaf.Leaf1E].IsZero && (cpuid[LintLeaf.Leaf1E].Ebx & 0xFF_FFFF) != multiplier)
            {
                sink.Add(Severity.Warning, new LintPlace(0x1E, 0, CpuidRegister.Ebx, 23, 0),
                    "the multiplier's rows and columns are not the tiles'", Hex(cpuid[LintLeaf.Leaf1E].Ebx & 0xFF_FFFF), Hex(multiplier));
            }
        })
        {
            Breaks = [Geometry],
            Mend = "Copy leaves 0x1D and 0x1E from the processor that runs the guest.",
        },
    ];

    private static bool HasTiles(in LintSubject cpuid) => cpuid.Has(CpuidFeatures.AmxTile) && cpuid.MaxBasic >= 0x1E;

    private static void CheckFilled(in LintSubject cpuid, ref LintSink sink, LintLeaf leaf, LintPlace place)
    {
        if (!cpuid.IsUnknown(leaf) && cpuid[leaf].IsZero)
        {
            sink.Add(place, $"AMX_TILE is shown and leaf {place.Field} is empty", "zeros");
        }
    }

    private static void CheckNeeds(in LintSubject cpuid, ref LintSink sink, CpuidFeature feature, CpuidFeature needs)
    {
        if (cpuid.Has(feature) && !cpuid.Has(needs))
        {
            sink.AddMissing(sink.Usual, feature, needs.Name);
        }
    }

    private static string Bit(bool set) => set ? "1" : "0";
}
