using System.Collections.Immutable;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>The outcome of one call on one virtual CPU.</summary>
/// <param name="Vcpu">Virtual CPU index.</param>
/// <param name="Call">The call as the kernel names it.</param>
/// <param name="Reply">Its answer. Of KVM_SET_MSRS with a short count, why the first refused MSR was refused.</param>
/// <param name="MsrsProcessed">For KVM_SET_MSRS, how many MSRs the VMM has for this virtual CPU, and how many were set when the first was
/// refused. MSRs that the model does not know count as taken.</param>
internal sealed record PerformedCall(int Vcpu, string Call, KernelReply Reply, (int Wanted, int Processed)? MsrsProcessed = null)
{
    /// <summary>Position of the state in the capture: ids can repeat, positions cannot.</summary>
    public int Index { get; init; }

    /// <summary>The first MSR that KVM refused, with the value that it was to have; null when it took all.</summary>
    public MsrEntry? RefusedMsr { get; init; }

    /// <summary>MSRs that were not set though the VMM went on.</summary>
    public ImmutableArray<UnsetMsr> UnsetMsrs { get; init; } = [];

    /// <summary>Whether the VMM goes on after this call as if all had been taken.</summary>
    public bool Succeeded => Reply.IsSuccess && (RefusedMsr is null || !UnsetMsrs.IsEmpty);
}
