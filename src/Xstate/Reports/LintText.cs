using Xstate.Findings;
using Xstate.Lint;

namespace Xstate.Reports;

/// <summary>The answer of <c>lint</c> as text for people.</summary>
internal static class LintText
{
    private const string Detail = "       ";
    private const int MostListed = 12;

    /// <summary>Writes it.</summary>
    public static void Write(TextWriter output, IReadOnlyList<LintAnswer> answers)
    {
        foreach (LintAnswer answer in answers)
        {
            foreach (LintResult result in answer.Results)
            {
                string label = result.Target.Label.Length == 0 ? "" : $", {result.Target.Label}";
                output.Mark(TextMark.Name, answer.File);
                output.Write($"{label} ({LintReport.NameOf(result.Target.Context.View)}): ");
                output.MarkLine("", MarkOf(result.Findings), Summary(result.Findings));
                output.WriteList([.. InOrder(output, result.Findings)], MostListed, "  ", ("finding", "findings"),
                    finding => Write(output, finding));
            }

            if (answer.Mended is { } mended)
            {
                Write(output, mended, answer.Output);
            }
        }
    }

    private static void Write(TextWriter output, LintFinding finding)
    {
        output.GoOnAt(Detail.Length + 2);
        output.Mark(TextMark.None, "  ");
        output.Mark(TextLayouts.MarkOf(finding.Severity), $"{finding.Rule.Id} {JsonAnswer.NameOf(finding.Severity)}");
        output.WriteLine($": {finding.Message}");
        string expected = finding.Expected is { } right ? $", expected {right}" : "";
        string found = finding.Found is { } value ? $", found {value}{expected}" : "";
        output.MarkLine($"{Detail}  ", TextMark.Aside, $"{finding.Place}{found}");
        if (finding.Severity == Severity.Info)
        {
            return;
        }

        foreach (LintBreak one in finding.Breaks)
        {
            output.WriteLine($"{Detail}  {one.Name}: {one.How}");
        }

        output.Write($"{Detail}  ");
        output.Mark(TextMark.Next, "fix");
        output.WriteLine($": {finding.Rule.Mend}");
    }

    private static void Write(TextWriter output, MendedCpuid mended, string? path)
    {
        output.WriteLine(mended.Changes.IsEmpty ? "  nothing to change" : $"  changed{(path is null ? "" : $", in {path}")}:");
        foreach (CpuidChange change in mended.Changes)
        {
            output.WriteLine($"    {change.Place.Field} {LintSink.Hex(change.Before)} -> {LintSink.Hex(change.After)}");
        }

        foreach (LintFinding finding in mended.Remaining.Where(finding => finding.Severity != Severity.Info))
        {
            output.WriteLine($"    left: {finding.Rule.Id} {finding.Message}");
        }
    }

    private static TextMark MarkOf(IReadOnlyList<LintFinding> findings) => findings.Count == 0 ? TextMark.Fine
        : TextLayouts.MarkOf(findings.Max(finding => finding.Severity));

    private static IEnumerable<LintFinding> InOrder(TextWriter output, IReadOnlyList<LintFinding> findings) =>
        output is ITextLayout ? findings.OrderByDescending(finding => finding.Severity) : findings;

    private static string Summary(IReadOnlyList<LintFinding> findings)
    {
        if (findings.Count == 0)
        {
            return "no contradiction found";
        }

        string[] counts =
        [
            .. new[] { (Severity.Error, "error"), (Severity.Warning, "warning"), (Severity.Info, "remark") }
                .Select(kind => (Count: findings.Count(finding => finding.Severity == kind.Item1), kind.Item2))
                .Where(kind => kind.Count > 0)
                .Select(kind => $"{kind.Count} {kind.Item2}{(kind.Count == 1 ? "" : "s")}"),
        ];
        return string.Join(", ", counts);
    }
}
