using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>Which components in use a target does not take, for a drawing.</summary>
internal static class LeftOutComponents
{
    /// <summary>For each state: what the repair takes out or, where none helps, what the target's KVM does not have.</summary>
    /// <param name="outcome">What becomes of the capture there.</param>
    /// <param name="capture">The capture.</param>
    /// <param name="host">The target.</param>
    public static ImmutableArray<StateComponentSet> Of(TargetOutcome outcome, Capture capture, LinuxHost host) =>
    [
        .. capture.States.Select((state, index) => state.ReadArea().XstateBv.Except(outcome.Repaired is { } repaired
            ? repaired.States[index].ReadArea().XstateBv
            : outcome.Verdict is Verdict.Refused or Verdict.Dangerous ? host.KvmXcr0 | host.KvmXss | StateComponentSet.Legacy
            : state.ReadArea().XstateBv)),
    ];
}
