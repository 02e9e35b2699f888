using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios;

/// <summary>What a step answered.</summary>
internal sealed record StepAnswer(Errno Errno, Refusal? Why = null)
{
    /// <summary>Writes the members of the result; null for steps without one.</summary>
    public Action<Utf8JsonWriter>? Result { get; init; }

    /// <summary>A fault of guest or processor.</summary>
    public string? Fault { get; init; }

    /// <summary>Why the backend cannot do this step at all.</summary>
    public string? Unsupported { get; init; }

    public static StepAnswer Done { get; } = new(Errno.None);

    public static StepAnswer Of(KernelReply reply) => new(reply.Errno, reply.Why);

    public static StepAnswer Of(KernelReply reply, Action<Utf8JsonWriter> result) => reply.IsSuccess
        ? new(Errno.None, reply.Why) { Result = result } : Of(reply);

    public static StepAnswer Of(KvmAnswer answer) => new(answer.Errno, answer.Why) { Result = answer.Result };

    public static StepAnswer NotHere(string why) => new(Errno.None) { Unsupported = why };

    public void Write(Utf8JsonWriter json, int step, string op)
    {
        json.WriteStartObject();
        json.WriteNumber("step", step);
        json.WriteString("op", op);
        if (Errno == Errno.None)
        {
            json.WriteNumber("errno", 0);
        }
        else
        {
            json.WriteString("errno", Errno.ToString());
        }

        if (Fault is not null)
        {
            json.WriteString("fault", Fault);
        }

        if (Unsupported is not null)
        {
            json.WriteBoolean("unsupported", true);
        }

        if (Result is not null)
        {
            json.WriteStartObject("result");
            Result(json);
            json.WriteEndObject();
        }

        if (Unsupported is not null)
        {
            json.WriteStartObject("why");
            json.WriteString("message", Unsupported);
            json.WriteEndObject();
        }

        WriteWhy(json);
        json.WriteEndObject();
    }

    private void WriteWhy(Utf8JsonWriter json)
    {
        if (Why is null)
        {
            return;
        }

        json.WriteStartObject("why");
        json.WriteString("rule", Why.Rule.Id);
        json.WriteString("message", Why.Message);
        if (Why.Offset is { } offset)
        {
            json.WriteNumber("offset", offset);
        }

        json.WriteEndObject();
    }
}
