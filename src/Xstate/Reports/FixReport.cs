using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>What a repair did.</summary>
internal static class FixReport
{
    private const int MostSteps = 16;

    /// <summary>Writes the JSON answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="file">The input.</param>
    /// <param name="written">The repaired file; null when nothing was written.</param>
    /// <param name="undo">The undo file; null when nothing was written.</param>
    /// <param name="outcome">The rehearsal that asked for the repair.</param>
    /// <param name="after">The rehearsal of what was written.</param>
    public static void WriteJson(Stream output, string file, string? written, string? undo, TargetOutcome outcome, TargetOutcome? after) =>
        JsonAnswer.Write(output, "fix", json => WriteFields(json, file, written, undo, outcome, after));

    /// <summary>Writes the fields of the JSON answer behind version and verb.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="file">The input.</param>
    /// <param name="written">The repaired file; null when nothing was written.</param>
    /// <param name="undo">The undo file; null when nothing was written.</param>
    /// <param name="outcome">The rehearsal that asked for the repair.</param>
    /// <param name="after">The rehearsal of what was written.</param>
    public static void WriteFields(Utf8JsonWriter json, string file, string? written, string? undo, TargetOutcome outcome,
        TargetOutcome? after)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(outcome);
        json.WriteString("file", file);
        json.WriteString("host", outcome.Host);
        json.WriteString("kernel", outcome.Kernel);
        JsonAnswer.WriteKernelRead(json, outcome.KernelRead);
        json.WriteString("before", CheckReport.NameOf(outcome.Verdict));
        JsonAnswer.WriteOptional(json, "after", after is null ? null : CheckReport.NameOf(after.Verdict));
        JsonAnswer.WriteOptional(json, "output", written);
        JsonAnswer.WriteOptional(json, "undo", undo);
        CheckReport.WriteRepairs(json, outcome.Repairs);
        JsonAnswer.WriteFindings(json, (after ?? outcome).Findings);
    }

    /// <summary>What a line of a table says of a repair: BEFORE, AFTER, OUTPUT, WHY.</summary>
    public static ImmutableArray<string> RowOf(string? written, TargetOutcome outcome, TargetOutcome? after)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        return
        [
            CheckReport.NameOf(outcome.Verdict),
            written is null || after is null ? "-" : CheckReport.NameOf(after.Verdict),
            written ?? "-",
            written is null ? CheckReport.WhyOf(outcome) : "",
        ];
    }

    /// <summary>The same for a repair of what a file's own writer did to it.</summary>
    public static ImmutableArray<string> RowOf(string written, IEnumerable<Finding> findings) =>
        ["damaged", "-", written, FindingText.RulesOf(findings)];

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, string? written, string? undo, TargetOutcome outcome, TargetOutcome? after)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(outcome);
        output.WriteList(outcome.Repairs, MostSteps, "", ("step", "steps"),
            step => output.WriteLine($"{CheckReport.UnitOf(outcome)} {step.Vcpu}: {step.Message}"));

        if (outcome.Repairs.IsEmpty)
        {
            output.WriteLine("nothing to repair");
        }

        if (written is not null && after is not null)
        {
            output.Write($"wrote {written}: on {Quotation.Cut(after.Host)} with {after.KernelRead?.Text ?? after.Kernel} its verdict is ");
            output.MarkLine("", TextLayouts.MarkOf(after.Verdict), CheckReport.NameOf(after.Verdict));
            WriteUndo(output, written, undo);
            return;
        }

        output.WriteLine(outcome.Verdict == Verdict.Unknown
            ? "nothing was written: whether it loads there as it is depends on what is not known"
            : "nothing was written: no repair without loss makes it load there");
        CheckReport.WriteDependencies(output, outcome);
        FindingText.Write(output, outcome.Findings.Where(finding => finding.Severity == Severity.Error), CheckReport.UnitOf(outcome), "  ");
    }

    /// <summary>Writes the fields of the JSON answer for a repair of what a file's own writer did to it.</summary>
    public static void WriteDamageFields(Utf8JsonWriter json, string file, string written, string? undo, IEnumerable<Finding> findings)
    {
        ArgumentNullException.ThrowIfNull(json);
        json.WriteString("file", file);
        json.WriteString("output", written);
        JsonAnswer.WriteOptional(json, "undo", undo);
        JsonAnswer.WriteFindings(json, findings);
    }

    /// <summary>Writes text for people for a repair of what a file's own writer did to it.</summary>
    public static void WriteDamageText(TextWriter output, string written, string? undo, IEnumerable<Finding> findings, CaptureKind kind)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(findings);
        FindingText.Write(output, findings, FindingText.UnitOf(kind));

        output.WriteLine($"wrote {written}: the state with what could be recovered");
        WriteUndo(output, written, undo);
    }

    private static void WriteUndo(TextWriter output, string written, string? undo)
    {
        if (undo is not null)
        {
            string which = undo == written + ".undo.json" ? "" : $" {undo}";
            output.WriteLine($"wrote {undo}: xstate fix {written} --undo{which} gives the original back");
        }
    }
}
