using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>
/// Leaf 0xD without the rest of the table, as a kernel's log has it: what the leaf rests on is not known to be absent. The features that
/// bring its components are taken as shown, since a kernel prints the leaf only where XSAVE is in use.
/// </summary>
internal static class XsaveLeafAlone
{
    private const uint HighestLeaf = 0x29;

    // What XSAVE, AVX and AVX-512 rest on.
    private static readonly CpuidFeature[] Basics =
    [
        CpuidFeatures.Xsave, CpuidFeatures.Osxsave, CpuidFeatures.Fpu, CpuidFeatures.Fxsr, CpuidFeatures.Sse, CpuidFeatures.Sse2,
            CpuidFeatures.Lm,
    ];

    /// <summary>The leaf with what it rests on.</summary>
    public static CpuidTable Complete(CpuidTable leaf)
    {
        CpuidTable table = leaf.With(0, 0, new CpuidRegisters(HighestLeaf, 0, 0, 0)).With(7, 0, new CpuidRegisters(1, 0, 0, 0))
            .With(0x8000_0000, 0, new CpuidRegisters(0x8000_0008, 0, 0, 0));
        StateComponentSet offered = leaf.UserComponents | leaf.SupervisorComponents;
        foreach (CpuidFeature feature in Basics.Concat(StateComponents.All.Where(info => offered.Contains(info.Component))
            .SelectMany(info => info.Features)))
        {
            table = With(table, feature);
        }

        return offered.Contains(StateComponent.Opmask) ? With(With(table, CpuidFeatures.Avx2), CpuidFeatures.Avx) : table;
    }

    private static CpuidTable With(CpuidTable table, CpuidFeature feature) =>
        table.With(feature.Leaf, feature.Subleaf, feature.SetIn(table.Read(feature.Leaf, feature.Subleaf), present: true));
}
