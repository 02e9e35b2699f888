using Xstate.WorldSwitch;

namespace Xstate.Reports;

/// <summary>What an exploration of a world switch found, and the list of protocols.</summary>
internal static class ExploreReport
{
    private const int StepWidth = 64;

    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, ExplorationResult result)
    {
        ArgumentNullException.ThrowIfNull(result);
        JsonAnswer.Write(output, "explore", json =>
        {
            json.WriteString("protocol", result.Protocol.Id);
            json.WriteString("kind", NameOf(result.Protocol.Kind));
            json.WriteNumber("vcpus", result.Vcpus);
            json.WriteNumber("cpus", result.Cpus);
            json.WriteString("events", HostEventCatalogue.Format(result.Events));
            json.WriteBoolean("complete", result.Complete);
            json.WriteNumber("states", result.States);
            json.WriteNumber("transitions", result.Transitions);
            json.WriteNumber("depth", result.Depth);
            json.WriteStartArray("violations");
            foreach (InvariantViolation violation in result.Violations)
            {
                json.WriteStartObject();
                json.WriteString("invariant", Invariants.Of(violation.Invariant).Id);
                json.WriteStartArray("trace");
                foreach (TraceStep step in violation.Trace)
                {
                    json.WriteStartObject();
                    json.WriteString("actor", step.Actor);
                    json.WriteString("step", step.Step);
                    json.WriteString("note", step.Note);
                    json.WriteNumber("vcpu", step.Vcpu);
                    json.WriteNumber("cpu", step.Cpu);
                    json.WriteString("world", NameOf(step.World));
                    json.WriteEndObject();
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    /// <summary>Writes the JSON list of protocols.</summary>
    public static void WriteListJson(Stream output, IEnumerable<SwitchProtocol> protocols)
    {
        ArgumentNullException.ThrowIfNull(protocols);
        JsonAnswer.Write(output, "explore", json =>
        {
            json.WriteStartArray("protocols");
            foreach (SwitchProtocol protocol in protocols)
            {
                json.WriteStartObject();
                json.WriteString("protocol", protocol.Id);
                json.WriteString("kind", NameOf(protocol.Kind));
                json.WriteString("summary", protocol.Summary);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });
    }

    /// <summary>Writes protocols, invariants and events with what they are.</summary>
    public static void WriteList(TextWriter output, IEnumerable<SwitchProtocol> protocols)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(protocols);
        output.MarkLine("", TextMark.Heading, "Protocols");
        foreach (SwitchProtocol protocol in protocols)
        {
            output.WriteHanging($"  {protocol.Id,-34} {NameOf(protocol.Kind),-9} ", protocol.Summary);
        }

        output.WriteLine();
        output.MarkLine("", TextMark.Heading, "Invariants");
        foreach (InvariantInfo invariant in Invariants.All)
        {
            output.WriteHanging($"  {invariant.Id,-34} ", invariant.Statement);
        }

        output.WriteLine();
        output.Mark(TextMark.Heading, "Events");
        output.WriteLine($" (default: {HostEventCatalogue.Format(HostEvents.Default)})");
        foreach (HostEventInfo info in HostEventCatalogue.All)
        {
            output.WriteHanging($"  {info.Id,-34} ", info.Text);
        }
    }

    /// <summary>Writes the verdict and, if asked, every trace: who, in which world, which step, what it changed.</summary>
    public static void WriteText(TextWriter output, ExplorationResult result, bool traces)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(result);
        output.WriteLine(
            $"{result.Protocol.Id} ({NameOf(result.Protocol.Kind)}): {result.Vcpus} vCPU, {result.Cpus} CPU, events "
            + $"{HostEventCatalogue.Format(result.Events)}");
        output.MarkLine("", result.Violations.IsEmpty ? result.Complete ? TextMark.Fine : TextMark.Doubtful : TextMark.Wrong,
            result.Verdict);
        foreach (InvariantInfo invariant in Invariants.All)
        {
            (TextMark mark, string verdict) = result.Of(invariant.Invariant) is { } violation
                ? (TextMark.Wrong, $"VIOLATED in {violation.Trace.Length} steps")
                : result.Complete ? (TextMark.Fine, "holds") : (TextMark.Doubtful, "not violated so far");
            output.Write($"  {invariant.Id,-34} ");
            output.MarkLine("", mark, verdict);
        }

        foreach (InvariantViolation violation in traces ? result.Violations : [])
        {
            output.WriteLine();
            output.Mark(TextMark.Wrong, Invariants.Of(violation.Invariant).Id);
            output.WriteLine($": {Invariants.Of(violation.Invariant).Violated}");
            output.WriteLine();
            int number = 0;
            foreach (TraceStep step in violation.Trace)
            {
                WriteStep(output, ++number, step);
            }
        }
    }

    private static void WriteStep(TextWriter output, int number, TraceStep step)
    {
        string head = $"{number,4}  {PlaceOf(step)}  {NameOf(step.World),-11}  ";
        string text = $"{step.Step.PadRight(StepWidth)}  {step.Note}".TrimEnd();
        if (output is ITextLayout layout && layout.Measure(head + text) > layout.Width && step.Note.Length > 0)
        {
            // What it changes stands below, where both have no room on a line.
            output.WriteHanging(head, step.Step);
            output.WriteHanging(new string(' ', head.Length), step.Note);
            return;
        }

        output.WriteHanging(head, text);
    }

    /// <summary>Which processor, and which vCPU's thread is there; an event is marked.</summary>
    internal static string PlaceOf(TraceStep step) => $"cpu{step.Cpu} vcpu{step.Vcpu}{(IsEvent(step) ? " !" : "  ")}";

    internal static bool IsEvent(TraceStep step) => step.Actor.StartsWith("cpu", StringComparison.Ordinal);

    internal static string NameOf(World world) => world switch
    {
        World.HostKernel => "host kernel",
        World.HostUser => "host user",
        World.Guest => "guest",
        World.OtherTask => "other task",
        _ => throw new ArgumentOutOfRangeException(nameof(world)),
    };

    private static string NameOf(ProtocolKind kind) => kind switch
    {
        ProtocolKind.Real => "real",
        ProtocolKind.Setting => "setting",
        ProtocolKind.Proposal => "proposal",
        ProtocolKind.Broken => "broken",
        _ => throw new ArgumentOutOfRangeException(nameof(kind)),
    };
}
