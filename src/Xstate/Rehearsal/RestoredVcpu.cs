using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>A restored virtual CPU, alive as long as its machine.</summary>
/// <param name="Id">Virtual CPU index.</param>
/// <param name="Vcpu">The virtual CPU.</param>
internal sealed record RestoredVcpu(int Id, IKvmVcpu Vcpu)
{
    /// <summary>Position of the state in the capture: ids can repeat, positions cannot.</summary>
    public int Index { get; init; }

    /// <summary>What the kernel returns for it afterwards; null unless it was asked for.</summary>
    public ReturnedState? Returned { get; init; }
}
