using System.Text.Json;
using Xstate.Hypervisors;

namespace Xstate.Scenarios.Calls;

/// <summary>What one call answered: the error number and every byte that came back.</summary>
/// <param name="Errno">The error, or <see cref="Errno.None"/>.</param>
/// <param name="Bytes">The answer in the order of its fields; empty for calls without one.</param>
internal readonly record struct KvmAnswer(Errno Errno, ReadOnlyMemory<byte> Bytes)
{
    /// <summary>Why a model refuses; a kernel does not say. It takes no part in the comparison.</summary>
    public Refusal? Why { get; init; }

    /// <summary>Writes the members of the result as a scenario answers them; null for calls without one, and when refused.</summary>
    internal Action<Utf8JsonWriter>? Result { get; init; }

    /// <summary>Whether both answers are the same to the last byte.</summary>
    public bool Equals(KvmAnswer other) => Errno == other.Errno && Bytes.Span.SequenceEqual(other.Bytes.Span);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Errno, Bytes.Length);

    /// <summary>Index of the first byte that differs, or the shorter length.</summary>
    public int CommonLength(KvmAnswer other) => Bytes.Span.CommonPrefixLength(other.Bytes.Span);

    internal static KvmAnswer Of(KernelReply reply) => new(reply.Errno, default) { Why = reply.Why };

    internal static KvmAnswer Of(KernelReply reply, ReadOnlyMemory<byte> bytes, Action<Utf8JsonWriter> result) =>
        new(reply.Errno, bytes) { Why = reply.Why, Result = reply.IsSuccess ? result : null };
}
