using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Lint;

/// <summary>Takes the findings of one rule after the other. Nothing is allocated before the first finding.</summary>
internal ref struct LintSink
{
    private readonly LintContext _context;
    private List<LintFinding>? _findings;
    private LintRule? _rule;

    public LintSink(LintContext context)
    {
        _context = context;
    }

    /// <summary>What was found so far, or null.</summary>
    public readonly List<LintFinding>? Findings => _findings;

    /// <summary>The usual severity of the rule that speaks.</summary>
    public readonly Severity Usual => _rule!.Severity;

    /// <summary>Names the rule that speaks next.</summary>
    public void Begin(LintRule rule) => _rule = rule;

    /// <summary>Reports a finding of the current rule with its usual severity.</summary>
    public void Add(LintPlace place, string message, string? found = null, string? expected = null) =>
        Add(_rule!.Severity, place, message, found, expected);

    /// <summary>Reports a finding of the current rule.</summary>
    public void Add(Severity severity, LintPlace place, string message, string? found = null, string? expected = null)
    {
        // A case that is milder than its rule's usual one has none of the rule's consequences.
        KernelRelease? linux = _context.LinuxRelease;
        ImmutableArray<LintBreak> breaks = severity >= _rule!.Severity ? linux is null
            ? _rule.Breaks : [.. _rule.Breaks.Where(one => one.AppliesTo(linux))] : [];

        // Severity says what happens to the worst-hit guest. One that is not among those hit survives it.
        if (severity == Severity.Error && (_context.Guest & _rule!.WhoBreaks(linux)) == LintGuest.None)
        {
            severity = Severity.Warning;
        }

        (_findings ??= []).Add(new LintFinding(_rule!, severity, place, message) { Found = found, Expected = expected, Breaks = breaks });
    }

    /// <summary>Reports that a feature stands without what it needs.</summary>
    public void AddMissing(Severity severity, CpuidFeature feature, string needs) =>
        Add(severity, LintPlace.Of(feature), $"{feature.Name} is shown without {needs}", "1", "0");

    /// <summary>A number as the manuals write it.</summary>
    public static string Hex(ulong value) => string.Create(CultureInfo.InvariantCulture, $"0x{value:x}");

    /// <summary>A count of bytes.</summary>
    public static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
