using System.Collections.Immutable;

namespace Xstate.Hypervisors.OpenBsd;

/// <summary>One state of OpenBSD's vmm, as the set of named differences that it has.</summary>
internal sealed class VmmBehavior
{
    private VmmBehavior(string name, string summary, params ImmutableArray<VmmDifference> differences)
    {
        Name = name;
        Summary = summary;
        Differences = differences;
    }

    /// <summary>As it was until August 2025: PKU without a place for PKRU.</summary>
    public static VmmBehavior Before { get; } = new(
        "vmm-before",
        "protection keys are visible, their XSAVE component is not",
        VmmDifference.PkuWithoutXsave,
        VmmDifference.PkruSubleafZero,
        VmmDifference.XsetbvUnchecked,
        VmmDifference.XsetbvWide);

    /// <summary>As the diff of 15 August 2025 makes it, gaps included.</summary>
    public static VmmBehavior After { get; } = new(
        "vmm-after",
        "bit 9 is announced and accepted; sizes are a constant and sub-leaf 9 is empty",
        VmmDifference.PkruSizeFixed,
        VmmDifference.PkruSubleafZero,
        VmmDifference.XsetbvUnchecked,
        VmmDifference.XsetbvWide);

    /// <summary>As the manuals ask for it: nothing of the above.</summary>
    public static VmmBehavior Corrected { get; } = new("vmm-corrected",
        "sizes and sub-leaf 9 come from the components, XSETBV checks as the processor does");

    /// <summary>All of them.</summary>
    public static ImmutableArray<VmmBehavior> All { get; } = [Before, After, Corrected];

    /// <summary>The name behind <c>@</c> on the command line.</summary>
    public string Name { get; }

    /// <summary>One clause for people.</summary>
    public string Summary { get; }

    /// <summary>The differences it has.</summary>
    public ImmutableArray<VmmDifference> Differences { get; }

    /// <summary>The behaviour of a name, or null.</summary>
    public static VmmBehavior? Find(string name) =>
        All.FirstOrDefault(behavior => string.Equals(behavior.Name, name, StringComparison.Ordinal));

    /// <summary>Whether it has the difference.</summary>
    public bool Has(VmmDifference difference) => Differences.Contains(difference);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
