using System.Collections.Immutable;

namespace Xstate.Architecture;

/// <summary>One condition that CPUID leaf 0xD must meet together with the feature bits.</summary>
/// <param name="Id">The condition's number.</param>
/// <param name="Summary">What must hold.</param>
/// <param name="Consequence">What breaks where it does not.</param>
/// <param name="Holds">Whether a table meets it, for live values of XCR0 and IA32_XSS.</param>
internal sealed record XsaveEnumerationRule(
    string Id, string Summary, string Consequence, Func<CpuidTable, StateComponentSet, StateComponentSet, bool> Holds);

/// <summary>
/// The conditions under which an enumeration describes a processor that can exist (SDM Vol. 1, 13.2 and 13.3): what a model of the
/// processor must be able to rely on.
/// </summary>
internal static class XsaveEnumerationRules
{
    /// <summary>All conditions, by number.</summary>
    public static ImmutableArray<XsaveEnumerationRule> All { get; } =
    [
        new("L02", "without XSAVE, leaf 0xD is zero", "software takes an area size from a processor without areas",
            static (cpuid, _, _) => cpuid.Has(CpuidFeatures.Xsave)
            || (cpuid.Read(CpuidTable.XsaveLeaf, 0).IsZero && cpuid.Read(CpuidTable.XsaveLeaf, 1).IsZero)),
        new("L10", "PKU needs bit 9 in leaf 0xD.0", "Linux sees PKU and cannot manage PKRU",
            static (cpuid, _, _) => !HasFeature(cpuid, StateComponent.Pkru) || cpuid.UserComponents.Contains(StateComponent.Pkru)),
        new("L12", "AVX and bit 2 of leaf 0xD.0 come together", "XSETBV faults, or state is dead",
            static (cpuid, _, _) => Matches(cpuid, StateComponent.Avx)),
        new("L15", "tile configuration and tile data come together", "XSETBV faults on one without the other",
            static (cpuid, _, _) => GroupIsWhole(cpuid, StateComponent.TileCfg)),
        new("L17", "APX and MPX exclude each other", "both own bytes 960 to 1087",
            static (cpuid, _, _) => !cpuid.UserComponents.Contains(StateComponent.Apx)
                || !cpuid.UserComponents.Overlaps(StateComponents.Get(StateComponent.Apx).Excludes)),
        new("L21", "0xD.0.ECX is the largest end of a component", "the buffer is too small, or the kernel refuses the enumeration",
            static (cpuid, _, _) => !cpuid.Has(CpuidFeatures.Xsave)
                || cpuid.Read(CpuidTable.XsaveLeaf, 0).Ecx == (uint)XsaveLayout.FromCpuid(cpuid).StandardLength),
        new("L23", "0xD.1.EBX is the compacted size for XCR0 and IA32_XSS", "Linux reports an XSAVE consistency problem",
            static (cpuid, xcr0, xss) => !cpuid.Has(CpuidFeatures.Xsavec)
                || cpuid.Read(CpuidTable.XsaveLeaf, 1).Ebx
                    == (uint)XsaveLayout.FromCpuid(cpuid).CompactedLengthFor(cpuid.Has(CpuidFeatures.Xsaves) ? xcr0 | xss : xcr0)),
        new("L31", "XSAVES needs XSAVEC", "XRSTORS reads the compacted form only",
            static (cpuid, _, _) => !cpuid.Has(CpuidFeatures.Xsaves) || cpuid.Has(CpuidFeatures.Xsavec)),
    ];

    /// <summary>The conditions that an enumeration breaks.</summary>
    /// <param name="cpuid">The enumeration.</param>
    /// <param name="xcr0">XCR0 when it was read.</param>
    /// <param name="xss">IA32_XSS when it was read.</param>
    public static ImmutableArray<XsaveEnumerationRule> Broken(CpuidTable cpuid, StateComponentSet xcr0, StateComponentSet xss)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        return [.. All.Where(rule => !rule.Holds(cpuid, xcr0, xss))];
    }

    private static bool HasFeature(CpuidTable cpuid, StateComponent component) =>
        StateComponents.Get(component).IsAnnouncedBy(cpuid);

    private static bool Matches(CpuidTable cpuid, StateComponent component) =>
        HasFeature(cpuid, component) == cpuid.UserComponents.Contains(component);

    private static bool GroupIsWhole(CpuidTable cpuid, StateComponent component)
    {
        StateComponentSet group = StateComponents.Get(component).Group;
        return !cpuid.UserComponents.Overlaps(group) || cpuid.UserComponents.ContainsAll(group);
    }
}
