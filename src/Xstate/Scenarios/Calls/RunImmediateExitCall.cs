using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_RUN with immediate_exit: the state goes through the processor.</summary>
internal sealed record RunImmediateExitCall() : KvmCall("run_immediate_exit")
{
    /// <inheritdoc/>
    public override string Request => "KVM_RUN";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.RunImmediateExit());
    }

    /// <inheritdoc/>
    public override string ToString() => "RUN immediate_exit";
}
