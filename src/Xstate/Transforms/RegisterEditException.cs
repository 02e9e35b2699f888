namespace Xstate.Transforms;

/// <summary>
/// A register cannot be given a value: there is no such register, it cannot hold the value, or the state has no place for it.
/// </summary>
/// <param name="message">Which, and why.</param>
/// <threadsafety>Immutable.</threadsafety>
public sealed class RegisterEditException(string message) : ArgumentException(message);
