namespace Xstate.Rehearsal.CpuidGates;

/// <summary>A comparison, and which releases of the restorer make it.</summary>
/// <param name="Gate">The comparison.</param>
/// <param name="Releases">The releases that make it; null for all that the restorer stands for.</param>
/// <param name="Others">The releases that do not.</param>
internal sealed record GateOfReleases(CpuidGate Gate, string? Releases = null, string? Others = null);
