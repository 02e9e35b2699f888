using System.Collections.Immutable;

namespace Xstate.Rehearsal;

/// <summary>A performed restore.</summary>
/// <param name="Calls">All calls, in order.</param>
/// <param name="Vcpus">The virtual CPUs that exist afterwards, in the order of the capture's states.</param>
internal sealed record PerformedRestore(ImmutableArray<PerformedCall> Calls, ImmutableArray<RestoredVcpu> Vcpus)
{
    /// <summary>A restore of which no call was performed.</summary>
    public static PerformedRestore None { get; } = new([], []);

    /// <summary>The first call that failed, or null.</summary>
    public PerformedCall? FirstFailure => Calls.FirstOrDefault(call => !call.Succeeded);
}
