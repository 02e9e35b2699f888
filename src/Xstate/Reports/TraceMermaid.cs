using Xstate.WorldSwitch;

namespace Xstate.Reports;

/// <summary>
/// Traces as Mermaid sequence diagrams: threads and processors as participants, a step as a message, an event as a note over its processor.
/// </summary>
internal static class TraceMermaid
{
    /// <summary>Writes one diagram a violation.</summary>
    public static void Write(TextWriter output, ExplorationResult result)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(result);
        foreach (InvariantViolation violation in result.Violations)
        {
            output.WriteLine($"%% {result.Protocol.Id}: {Invariants.Of(violation.Invariant).Id}, found after {result.States} states");
            output.WriteLine("sequenceDiagram");
            output.WriteLine("    autonumber");
            foreach (int vcpu in violation.Trace.Select(step => step.Vcpu).Distinct().Order())
            {
                output.WriteLine($"    participant vcpu{vcpu} as vCPU {vcpu}");
            }

            foreach (int cpu in violation.Trace.Select(step => step.Cpu).Distinct().Order())
            {
                output.WriteLine($"    participant cpu{cpu} as CPU {cpu}");
            }

            WriteSteps(output, violation);
            output.WriteLine();
        }
    }

    private static void WriteSteps(TextWriter output, InvariantViolation violation)
    {
        for (int i = 0; i < violation.Trace.Length; i++)
        {
            TraceStep step = violation.Trace[i];
            bool last = i == violation.Trace.Length - 1;
            if (ExploreReport.IsEvent(step))
            {
                output.WriteLine($"    Note over cpu{step.Cpu}: {Escape(step.Step)}");
            }
            else
            {
                output.WriteLine($"    vcpu{step.Vcpu}->>cpu{step.Cpu}: [{ExploreReport.NameOf(step.World)}] {Escape(step.Step)}");
            }

            if (step.Note.Length > 0)
            {
                output.WriteLine(
                    $"    Note {(last ? $"over vcpu{step.Vcpu},cpu{step.Cpu}" : $"right of cpu{step.Cpu}")}: {Escape(step.Note)}");
            }
        }
    }

    // A semicolon ends a statement and a number sign starts an entity.
    private static string Escape(string text) =>
        text.Replace("#", "#35;", StringComparison.Ordinal).Replace(";", "#59;", StringComparison.Ordinal)
        .Replace("#35#59;", "#35;", StringComparison.Ordinal);
}
