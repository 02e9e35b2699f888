namespace Xstate.Hypervisors;

/// <summary>The answer of one call: success, or an errno that a model can explain and a real kernel cannot.</summary>
/// <param name="Errno">The error, or <see cref="Errno.None"/>.</param>
/// <param name="Why">The reason, from a model only.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct KernelReply(Errno Errno, Refusal? Why = null)
{
    /// <summary>Success.</summary>
    public static KernelReply Success => default;

    /// <summary>Whether the call succeeded.</summary>
    public bool IsSuccess => Errno == Errno.None;
}
