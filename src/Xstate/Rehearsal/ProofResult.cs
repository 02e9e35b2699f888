namespace Xstate.Rehearsal;

/// <summary>What a proof on the real kernel showed.</summary>
/// <param name="Held">Whether the kernel did what was predicted; null when it could not be tried.</param>
/// <param name="Detail">What was compared, or why it could not be tried, or where they disagree.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record ProofResult(bool? Held, string Detail);
