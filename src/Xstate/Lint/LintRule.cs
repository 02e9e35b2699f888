using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>Looks at a table and reports what breaks one rule.</summary>
internal delegate void LintCheck(in LintSubject cpuid, ref LintSink sink);

/// <summary>One condition that a consistent CPUID meets.</summary>
internal sealed record LintRule
{
    internal LintRule(string id, string alias, Severity severity, string title, LintCheck check)
    {
        Id = id;
        Aliases = [.. alias.Split(' ')];
        Severity = severity;
        Title = title;
        Check = check;
    }

    /// <summary>The stable id. XS12xx where reading a dump says the same thing.</summary>
    public string Id { get; }

    /// <summary>The numbers of the rule lists that the project was built from: <c>L01</c>, <c>N01</c>.</summary>
    public ImmutableArray<string> Aliases { get; }

    /// <summary>The severity of its usual finding, for any guest.</summary>
    public Severity Severity { get; }

    /// <summary>What must hold, in one line.</summary>
    public string Title { get; }

    /// <summary>Views of a table in which the rule can be asked.</summary>
    public LintView Views { get; init; } = LintView.All;

    /// <summary>Who breaks and how.</summary>
    public required ImmutableArray<LintBreak> Breaks { get; init; }

    /// <summary>What to do.</summary>
    public required string Mend { get; init; }

    /// <summary>Where the rule is known from.</summary>
    public string Source => string.Join("; ", Breaks.Select(static b => b.Source).Distinct(StringComparer.Ordinal));

    internal LintCheck Check { get; }

    /// <summary>The systems that break, or do not survive it in a release of Linux.</summary>
    /// <param name="linux">The release, or null for any.</param>
    public LintGuest WhoBreaks(KernelRelease? linux = null)
    {
        LintGuest who = LintGuest.None;
        foreach (LintBreak one in Breaks)
        {
            who |= !one.IsSurvived && one.AppliesTo(linux) ? one.Who : LintGuest.None;
        }

        return who;
    }

    /// <summary>The rule as the catalogue of all rules shows it.</summary>
    public Rule ToRule() => new(
        Id,
        Title,
        Severity,
        $"{string.Join(" ", Breaks.Select(static b => $"{b.Name}: {b.How}."))} Also called {string.Join(", ", Aliases)}.",
        Mend,
        Source);

    /// <inheritdoc/>
    public bool Equals(LintRule? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => StringComparer.Ordinal.GetHashCode(Id);
}
