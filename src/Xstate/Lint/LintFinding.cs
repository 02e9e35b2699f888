using System.Collections.Immutable;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>One contradiction in a CPUID table.</summary>
/// <param name="Rule">The rule that is broken.</param>
/// <param name="Severity">How much it matters for the guest and the view that were asked about.</param>
/// <param name="Place">The field that is wrong.</param>
/// <param name="Message">A sentence that names what contradicts what.</param>
internal sealed record LintFinding(LintRule Rule, Severity Severity, LintPlace Place, string Message)
{
    /// <summary>What was found, as printed.</summary>
    public string? Found { get; init; }

    /// <summary>What would be consistent, as printed.</summary>
    public string? Expected { get; init; }

    /// <summary>Who breaks and how; empty where this case is milder than the rule's usual one and does none of it.</summary>
    public ImmutableArray<LintBreak> Breaks { get; init; } = [];

    /// <summary>Index of the logical processor in a dump of several; 0 otherwise.</summary>
    public int Processor { get; init; }

    /// <summary>The same as a finding of any other verb.</summary>
    public Finding ToFinding() => new(Rule.ToRule(), Severity, Message)
    {
        Where = new FindingLocation(Leaf: Place.ToString()),
        Found = Found,
        Expected = Expected,
        Mend = Rule.Mend,
    };
}
