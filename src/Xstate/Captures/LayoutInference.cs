using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>One family of standard-format layouts that exists in hardware.</summary>
/// <param name="Family">Its name for messages.</param>
/// <param name="Layout">Every component that the family places.</param>
/// <param name="MxcsrMask">MXCSR_MASK of its processors.</param>
internal sealed record LayoutFamily(string Family, XsaveLayout Layout, uint MxcsrMask)
{
    /// <summary>The family whose processors place PKRU and have no protection keys.</summary>
    internal const string WithoutKeys = "AMD Zen 2";

    /// <summary>
    /// The families of a survey of 588 CPUID dumps. Used only to infer where nothing better is known; models never read it.
    /// </summary>
    public static ImmutableArray<LayoutFamily> All { get; } =
    [
        new("Intel", Of((2, 256, 576), (3, 64, 960), (4, 64, 1024), (5, 64, 1088), (6, 512, 1152), (7, 1024, 1664), (9, 8, 2688),
            (17, 64, 2752), (18, 8192, 2816)), Mxcsr.IntelMask),
        new("Intel with APX", Of((2, 256, 576), (5, 64, 1088), (6, 512, 1152), (7, 1024, 1664), (9, 8, 2688), (17, 64, 2752),
            (18, 8192, 2816), (19, 128, 960)), Mxcsr.IntelMask),
        new("AMD Zen 3 and later", Of((2, 256, 576), (5, 64, 832), (6, 512, 896), (7, 1024, 1408), (9, 8, 2432)), Mxcsr.AmdMask),
        new(WithoutKeys, Of((2, 256, 576), (9, 64, 832)), Mxcsr.AmdMask),
        new("AMD Bulldozer", Of((2, 256, 576), (62, 128, 832)), Mxcsr.AmdMask),
    ];

    /// <summary>
    /// The family of a processor, by vendor and family number: in a survey of 1,007 CPUID dumps, size and offset of every user component
    /// follow from these two. Null for those that no dump was of.
    /// </summary>
    /// <param name="processor">The processor.</param>
    /// <param name="hasApx">Whether it has APX, whose state lies where MPX's did.</param>
    public static LayoutFamily? Of(ProcessorModel processor, bool hasApx = false)
    {
        string? name = processor switch
        {
            { Vendor: ProcessorVendor.Intel, Family: 6 } => hasApx ? "Intel with APX" : "Intel",
            { Vendor: ProcessorVendor.Zhaoxin, Family: 6 or 7 } => "Intel",
            { Vendor: ProcessorVendor.Amd, Family: 0x15 } => "AMD Bulldozer",
            { Vendor: ProcessorVendor.Amd, Family: 0x17 } => WithoutKeys,
            { Vendor: ProcessorVendor.Amd, Family: 0x19 or 0x1A } => "AMD Zen 3 and later",
            _ => null,
        };
        return name is null ? null : All.First(family => family.Family == name);
    }

    private static XsaveLayout Of(params (int Component, int Size, int Offset)[] slots) =>
        XsaveLayout.FromSlots(slots.Select(s => new XsaveSlot((StateComponent)s.Component, s.Size, s.Offset, IsSupervisor: false,
            IsAligned64: s.Component is 17 or 18, SupportsXfd: s.Component == 18)));
}

/// <summary>Finds the layout of an area that comes without one.</summary>
internal static class LayoutInference
{
    /// <summary>
    /// The families that could have written an area with these components, narrowed by its length and by its MXCSR_MASK. One result is an
    /// inference; several are an ambiguity to report.
    /// </summary>
    /// <param name="components">Components that the writer had: its software mask, or XSTATE_BV.</param>
    /// <param name="exactLength">Length of the area if it ends with its last component, else null.</param>
    /// <param name="mxcsrMask">MXCSR_MASK in the area, or 0.</param>
    public static ImmutableArray<LayoutFamily> Candidates(StateComponentSet components, int? exactLength, uint mxcsrMask) =>
        Candidates(new LayoutEvidence(components) { ExactLength = exactLength, MxcsrMask = mxcsrMask });

    /// <summary>
    /// The families that could have written an area, by all that is known, each restricted to the components. Families that place all of
    /// them alike are one result.
    /// </summary>
    public static ImmutableArray<LayoutFamily> Candidates(LayoutEvidence evidence) => Distinct(Fitting(evidence), evidence.Components);

    /// <summary>
    /// The families that could have written an area, whole. Length and components exclude; the rest only prefers among what is left,
    /// because a writer may have set it.
    /// </summary>
    public static ImmutableArray<LayoutFamily> Fitting(LayoutEvidence evidence)
    {
        ArgumentNullException.ThrowIfNull(evidence);
        StateComponentSet components = evidence.Components;
        List<LayoutFamily> fitting = [.. LayoutFamily.All.Where(family => family.Layout.UserComponents.ContainsAll(components))];
        if (evidence.ExactLength is { } length)
        {
            fitting.RemoveAll(family => family.Layout.StandardLengthFor(components) != length);
        }

        Prefer(fitting, family => family.MxcsrMask == evidence.MxcsrMask);

        // Zen 2 tells a place for PKRU in leaf 0xD and has no protection keys: Linux never enables the component there.
        Prefer(fitting, family => !components.Contains(StateComponent.Pkru) || family.Family != LayoutFamily.WithoutKeys);
        Prefer(fitting, family => evidence.FitsSignalFrame(family.Layout.StandardLengthFor(components)) == true);
        Prefer(fitting, family => evidence.HasIntelFeatures && family.MxcsrMask == Mxcsr.IntelMask);
        return [.. fitting];
    }

    /// <summary>The different ways in which families place a set of components: one of each kind, restricted to them.</summary>
    public static ImmutableArray<LayoutFamily> Distinct(IEnumerable<LayoutFamily> families, StateComponentSet components)
    {
        ArgumentNullException.ThrowIfNull(families);
        return Distinct(families, _ => components);
    }

    /// <summary>
    /// The families that have a component which ends exactly with the area, for an area that does not say which components its writer had.
    /// Each result is restricted to the components that have their place inside.
    /// </summary>
    /// <param name="evidence">What is known; its components are those of XSTATE_BV, its length is given.</param>
    public static ImmutableArray<LayoutFamily> CandidatesByLength(LayoutEvidence evidence)
    {
        ArgumentNullException.ThrowIfNull(evidence);
        int length = evidence.ExactLength ?? throw new ArgumentException("the length is not known", nameof(evidence));
        List<LayoutFamily> fitting =
        [
            .. LayoutFamily.All.Where(family => family.Layout.Slots.Any(slot => slot.End == length)
                && Inside(family, length).ContainsAll(evidence.Components)),
        ];
        Prefer(fitting, family => family.MxcsrMask == evidence.MxcsrMask);
        Prefer(fitting, _ => evidence.FitsSignalFrame(length) == true);
        Prefer(fitting, family => evidence.HasIntelFeatures && family.MxcsrMask == Mxcsr.IntelMask);
        return Distinct(fitting, family => Inside(family, length));
    }

    private static StateComponentSet Inside(LayoutFamily family, int length) =>
        StateComponentSet.Legacy
        | StateComponentSet.Of([.. family.Layout.Slots.Where(slot => slot.End <= length).Select(slot => slot.Component)]);

    private static void Prefer(List<LayoutFamily> families, Predicate<LayoutFamily> preferred)
    {
        if (families.Exists(preferred))
        {
            families.RemoveAll(family => !preferred(family));
        }
    }

    // Families that place all of the components alike are one answer.
    private static ImmutableArray<LayoutFamily> Distinct(IEnumerable<LayoutFamily> families,
        Func<LayoutFamily, StateComponentSet> components)
    {
        ImmutableArray<LayoutFamily>.Builder distinct = ImmutableArray.CreateBuilder<LayoutFamily>();
        foreach (LayoutFamily family in families)
        {
            XsaveLayout layout = family.Layout.Restrict(components(family));
            if (!distinct.Any(seen => seen.Layout.Equals(layout)))
            {
                distinct.Add(family with { Layout = layout });
            }
        }

        return distinct.ToImmutable();
    }
}
