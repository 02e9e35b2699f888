using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Reports;

/// <summary>
/// A finding as text for people, the same wherever one is printed: rule, severity and message; where, what was found and expected; what to
/// do.
/// </summary>
internal static class FindingText
{
    private const string Detail = "       ";

    private const int Most = 12;

    /// <summary>Writes findings in their order.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="findings">The findings.</param>
    /// <param name="unit">What a number of a virtual CPU stands for here: <c>vcpu</c> or <c>thread</c>.</param>
    /// <param name="indent">What every line begins with.</param>
    public static void Write(TextWriter output, IEnumerable<Finding> findings, string unit, string indent = "")
    {
        output.WriteList([.. InOrder(output, findings)], Most, indent, ("finding", "findings"),
            finding => Write(output, finding, unit, indent));
    }

    // Whoever looks sees the worst first, and never the count of a list instead of it.
    private static IEnumerable<Finding> InOrder(TextWriter output, IEnumerable<Finding> findings) =>
        output is ITextLayout ? findings.OrderByDescending(finding => finding.Severity) : findings;

    private static void Write(TextWriter output, Finding finding, string unit, string indent)
    {
        output.Write(indent);
        output.GoOnAt(indent.Length + Detail.Length);
        output.Mark(TextLayouts.MarkOf(finding.Severity), $"{finding.Rule} {JsonAnswer.NameOf(finding.Severity)}");
        output.WriteLine($": {finding.Message}");
        string where = string.Join(", ", Facts(finding, unit));
        if (where.Length > 0)
        {
            output.GoOnAt(indent.Length + Detail.Length);
            output.MarkLine($"{indent}{Detail}", TextMark.Aside, where);
        }

        if (finding.Mend is { } mend && finding.Severity != Severity.Info)
        {
            output.Write($"{indent}{Detail}");
            output.Mark(TextMark.Next, "mend");
            output.WriteLine($": {mend}");
        }
    }

    /// <summary>The rules of errors and warnings on one line, the worst first.</summary>
    public static string RulesOf(IEnumerable<Finding> findings) => Listed(
        [.. findings.Where(finding => finding.Severity != Severity.Info).OrderBy(finding => finding.Severity != Severity.Error)
            .Select(finding => finding.Rule.Id).Distinct()]);

    /// <summary>Some names on one line: a few, and how many more.</summary>
    public static string Listed(IReadOnlyCollection<string> names)
    {
        const int most = 3;
        string more = names.Count > most ? string.Create(System.Globalization.CultureInfo.InvariantCulture,
            $" and {names.Count - most} more") : "";
        return string.Join(", ", names.Take(most)) + more;
    }

    /// <summary>What the states of a capture are called.</summary>
    public static string UnitOf(CaptureKind kind) => kind == CaptureKind.Process ? "thread" : "vcpu";

    private static IEnumerable<string> Facts(Finding finding, string unit)
    {
        if (finding.Where.Vcpu is { } vcpu)
        {
            yield return $"{unit} {vcpu}";
        }

        if (finding.Where.Offset is { } offset)
        {
            yield return $"byte {offset}";
        }

        if (finding.Where.Leaf is { } leaf)
        {
            yield return $"CPUID {leaf}";
        }

        if (finding.Found is { } found)
        {
            yield return $"found {found}";
        }

        if (finding.Expected is { } expected)
        {
            yield return $"expected {expected}";
        }

        if (finding.Since is { } since)
        {
            yield return $"kernels: {since}";
        }
    }
}
