using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_XSAVE with the area that the last GET returned: what a VMM does that saves and restores.</summary>
internal sealed record SetXsaveBackCall() : KvmCall("set_xsave")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetXsave(lastArea));
    }

    /// <inheritdoc/>
    public override string ToString() => "SET_XSAVE of what the last GET returned";

    internal override KvmCall After(byte[] lastArea) => new SetXsaveCall(lastArea);
}
