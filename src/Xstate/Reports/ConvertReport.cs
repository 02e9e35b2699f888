using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Transforms;

namespace Xstate.Reports;

/// <summary>What a conversion did.</summary>
/// <param name="File">The input.</param>
/// <param name="From">Its format.</param>
/// <param name="To">The format that was written.</param>
/// <param name="Output">The file that was written; null when obstacles kept it from being written.</param>
/// <param name="Length">Its bytes.</param>
/// <param name="Steps">What changed on the way.</param>
/// <param name="Obstacles">What was lost, or would be.</param>
internal sealed record ConvertAnswer(string File, string From, string To, string? Output, long Length, IReadOnlyList<RepairStep> Steps,
    IReadOnlyList<Finding> Obstacles)
{
    /// <summary>Whose states they are.</summary>
    public CaptureKind Kind { get; init; }
}

/// <summary>Tells what a conversion did.</summary>
internal static class ConvertReport
{
    /// <summary>Writes the fields of the JSON answer behind version and verb.</summary>
    public static void WriteFields(Utf8JsonWriter json, ConvertAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(answer);
        json.WriteString("file", answer.File);
        json.WriteString("from", answer.From);
        json.WriteString("to", answer.To);
        if (answer.Output is not null)
        {
            json.WriteString("output", answer.Output);
            json.WriteNumber("length", answer.Length);
        }

        CheckReport.WriteRepairs(json, answer.Steps, "changes");
        JsonAnswer.WriteFindings(json, answer.Obstacles);
    }

    /// <summary>What a line of a table says of a conversion: FROM, TO, OUTPUT, WHY.</summary>
    public static ImmutableArray<string> RowOf(ConvertAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return [answer.From, answer.To, answer.Output ?? "-", FindingText.RulesOf(answer.Obstacles)];
    }

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, ConvertAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        foreach (RepairStep step in answer.Steps)
        {
            output.WriteLine($"{step.Vcpu}: {step.Message}");
        }

        FindingText.Write(output, answer.Obstacles, FindingText.UnitOf(answer.Kind));

        output.WriteLine(answer.Output is null
            ? "nothing was written; --force drops what has no place" : $"wrote {answer.Output}: {answer.To}, {answer.Length} bytes");
    }
}
