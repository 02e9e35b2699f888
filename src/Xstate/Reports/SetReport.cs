using System.Globalization;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Reports;

/// <summary>Registers that were given values.</summary>
/// <param name="File">The input.</param>
/// <param name="Format">Its format.</param>
/// <param name="Output">The file that was written: another one, or the input itself.</param>
/// <param name="Steps">Each register with its value before and after.</param>
/// <param name="Findings">What has to be said of the state.</param>
internal sealed record SetAnswer(
    string File, string Format, string Output, IReadOnlyList<RepairStep> Steps, IReadOnlyList<Finding> Findings)
{
    /// <summary>Whose state it is.</summary>
    public CaptureKind Kind { get; init; }

    /// <summary>What became of a write to a thread of a running process.</summary>
    public static SetAnswer Of(int process, WriteOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        string name = string.Create(CultureInfo.InvariantCulture, $"pid:{process}");
        IEnumerable<RepairStep> steps = outcome.Registers.Select(register => new RepairStep(RepairKind.Register, outcome.Thread,
            register switch
            {
                { IsTaken: false } => $"{register.Register} is {register.After} although {register.Asked} was written",
                _ when register.Before == register.After => $"{register.Register} is {register.After}",
                _ => $"{register.Register} from {register.Before} to {register.After}",
            }));
        return new SetAnswer(name, "process", name, [.. steps], outcome.Findings) { Kind = CaptureKind.Process };
    }
}

/// <summary>Tells what was set.</summary>
internal static class SetReport
{
    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, SetAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        JsonAnswer.Write(output, "set", json =>
        {
            json.WriteString("file", answer.File);
            json.WriteString("format", answer.Format);
            json.WriteString("output", answer.Output);
            CheckReport.WriteRepairs(json, answer.Steps, "changes");
            JsonAnswer.WriteFindings(json, answer.Findings);
        });
    }

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, SetAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        foreach (RepairStep step in answer.Steps)
        {
            output.WriteLine($"{step.Vcpu}: {step.Message}");
        }

        FindingText.Write(output, answer.Findings, FindingText.UnitOf(answer.Kind));

        if (answer.Output != answer.File)
        {
            output.WriteLine($"wrote {answer.Output}");
        }
    }
}
