using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>A CPUID that was made for a guest.</summary>
/// <param name="Cpuid">The consistent table.</param>
/// <param name="Changes">Every register that differs from the base.</param>
/// <param name="Removed">The features of the base that the guest does not get.</param>
/// <param name="Obstacles">Why the table is not what was wanted; empty when it is.</param>
/// <param name="Remaining">What lint still says of it.</param>
internal sealed record MadeCpuid(
    CpuidTable Cpuid,
    ImmutableArray<CpuidChange> Changes,
    ImmutableArray<CpuidFeature> Removed,
    ImmutableArray<string> Obstacles,
    ImmutableArray<LintFinding> Remaining);
