using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Scenarios.Conformance;

namespace Xstate.Reports;

/// <summary>A comparison of a model with the running kernel.</summary>
/// <param name="Kernel">The running kernel.</param>
/// <param name="Model">The modelled one.</param>
/// <param name="Seed">The first seed.</param>
/// <param name="Result">What was found.</param>
internal sealed record ConformAnswer(string Kernel, string Model, ulong Seed, ConformanceResult Result)
{
    /// <summary>What was not looked at.</summary>
    public ImmutableArray<LeftOut> LeftOut { get; init; } = [];

    /// <summary>Whether KVM's calls were compared, and not only what a process sees.</summary>
    public bool HasKvm => !LeftOut.Any(left => left.What == "kvm");
}

/// <summary>Tells what a comparison found.</summary>
internal static class ConformReport
{
    private static readonly ImmutableArray<string> Process = ["ptrace", "signals", "child"];
    private static readonly ImmutableArray<string> KvmAndProcess = ["kvm", .. Process];

    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, ConformAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        JsonAnswer.Write(output, "conform", json =>
        {
            ConformanceResult result = answer.Result;
            json.WriteString("kernel", answer.Kernel);
            json.WriteString("model", answer.Model);
            json.WriteString("seed", $"0x{answer.Seed:x}");
            JsonAnswer.WriteStrings(json, "compared", answer.HasKvm ? KvmAndProcess : Process);
            WriteLeftOut(json, "leftOut", answer.LeftOut);
            json.WriteBoolean("complete", result.IsComplete);
            json.WriteNumber("calls", result.Total);
            json.WriteNumber("sequences", result.Sequences);
            json.WriteNumber("refusals", result.Refusals);
            json.WriteNumber("bytes", result.Bytes);
            json.WriteNumber("undecided", result.Undecided);
            json.WriteStartObject("byCall");
            foreach ((string name, long count) in result.Calls)
            {
                json.WriteNumber(name, count);
            }

            json.WriteEndObject();
            WriteReach(json, result.Reach);
            json.WriteStartArray("disagreements");
            foreach (ScenarioDisagreement found in result.Disagreements)
            {
                json.WriteStartObject();
                json.WriteString("seed", $"0x{found.Seed:x}");
                json.WriteString("call", found.Op);
                json.WriteString("model", found.Model);
                json.WriteString("kernel", found.Kernel);
                json.WriteString("scenario", found.Scenario);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    private static void WriteReach(Utf8JsonWriter json, ConformanceReach reach)
    {
        json.WriteStartObject("reached");
        JsonAnswer.WriteStrings(json, "rules", reach.Rules);
        JsonAnswer.WriteStrings(json, "differences", reach.Differences);
        JsonAnswer.WriteStrings(json, "missed", reach.Missed);
        WriteLeftOut(json, "outOfReach", reach.OutOfReach);
        json.WriteEndObject();
    }

    private static void WriteLeftOut(Utf8JsonWriter json, string name, ImmutableArray<LeftOut> left)
    {
        json.WriteStartArray(name);
        foreach (LeftOut one in left)
        {
            json.WriteStartObject();
            json.WriteString("what", one.What);
            json.WriteString("why", one.Why);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, ConformAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        ConformanceResult result = answer.Result;
        string scope = answer.HasKvm ? "" : " in ptrace, signals and a child's own instructions";
        output.WriteLine($"{answer.Model} as a model against {answer.Kernel}{scope}, from seed 0x{answer.Seed:x}");
        foreach (IGrouping<string, LeftOut> left in answer.LeftOut.GroupBy(left => left.Why))
        {
            output.WriteLine($"  left out: {string.Join(", ", left.Select(one => one.What))}: {left.Key}");
        }

        foreach ((string name, long count) in result.Calls)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {name,-18} {count,12:N0}"));
        }

        output.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Total:N0} calls in {result.Sequences:N0} sequences ({result.Refusals:N0} refused by both, {result.Bytes:N0} bytes "
            + $"of answers){(result.IsComplete ? "" : ", ended early")}"));
        if (result.Undecided > 0)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{result.Undecided:N0} answers differ only in which initial components count as in use (XSTATE_BV), which depends on "
                + $"what else ran on the processor"));
        }

        WriteIds(output, "rules reached", result.Reach.Rules);
        WriteIds(output, "differences reached", result.Reach.Differences);
        WriteIds(output, "differences missed", result.Reach.Missed);
        foreach (ScenarioDisagreement found in result.Disagreements)
        {
            output.WriteLine();
            output.WriteLine(found);
        }

        string verdict = result.Disagreements.Count == 0
            ? "no disagreement" : $"{result.Disagreements.Count} disagreement{(result.Disagreements.Count == 1 ? "" : "s")}";
        output.MarkLine("", result.Disagreements.Count == 0 ? TextMark.Fine : TextMark.Wrong,
            answer.HasKvm ? verdict : $"{verdict}{scope}; KVM was not compared");
    }

    private static void WriteIds(TextWriter output, string what, ImmutableArray<string> ids)
    {
        if (!ids.IsEmpty)
        {
            output.WriteLine($"{what}: {string.Join(' ', ids)}");
        }
    }
}
