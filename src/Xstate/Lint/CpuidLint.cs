using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>
/// Is this CPUID consistent with itself? Each table is decoded once and held against every rule. Nothing is allocated while nothing is
/// found.
/// </summary>
/// <threadsafety>Any thread.</threadsafety>
public static class CpuidLint
{
    /// <summary>Contradictions of one table that are kept; a hostile one could break every rule for every component.</summary>
    public const int MaxFindings = 1_000;

    /// <summary>What contradicts itself in a table, and which guests break on it, in the order of the rules.</summary>
    /// <param name="cpuid">The table.</param>
    /// <param name="context">What the table is and who reads it: <see cref="LintContext.GuestView"/>,
    /// <see cref="LintContext.BareMetal"/>.</param>
    /// <returns>At most <see cref="MaxFindings"/>.</returns>
    public static ImmutableArray<Finding> FindingsOf(CpuidTable cpuid, LintContext context) =>
        [.. Check(cpuid, context).Select(finding => finding.ToFinding())];

    /// <summary>What contradicts itself in a table, by rule.</summary>
    /// <param name="cpuid">The table.</param>
    /// <param name="context">What the table is, and what is known beside it.</param>
    internal static ImmutableArray<LintFinding> Check(CpuidTable cpuid, LintContext context)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ArgumentNullException.ThrowIfNull(context);
        LintSubject subject = new(context.IsXsaveLeafAlone ? XsaveLeafAlone.Complete(cpuid) : cpuid, context);
        LintSink sink = new(context);
        foreach (LintRule rule in LintRules.All)
        {
            if ((rule.Views & context.View) != LintView.None && sink.Findings is not { Count: >= MaxFindings })
            {
                sink.Begin(rule);
                rule.Check(subject, ref sink);
            }
        }

        return sink.Findings is not { } findings ? []
            : context.IsXsaveLeafAlone ? [.. findings.Where(finding => finding.Place.Leaf == CpuidTable.XsaveLeaf)] : [.. findings];
    }

    /// <summary>
    /// What contradicts itself in a dump of several processors: each on its own, and against the first. The same finding is told once.
    /// </summary>
    internal static ImmutableArray<LintFinding> Check(CpuidDump dump, LintContext context)
    {
        ArgumentNullException.ThrowIfNull(dump);
        ArgumentNullException.ThrowIfNull(context);
        Dictionary<(string, LintPlace, string?), LintFinding> findings = [];
        for (int i = 0; i < dump.Processors.Length && findings.Count < MaxFindings; i++)
        {
            foreach (LintFinding finding in Check(dump.Processors[i].Cpuid, context))
            {
                findings.TryAdd((finding.Rule.Id, finding.Place, finding.Found), finding with { Processor = i });
            }
        }

        LintSink sink = new(context);
        DumpRules.Check(dump, ref sink);
        return [.. findings.Values, .. sink.Findings ?? []];
    }
}
