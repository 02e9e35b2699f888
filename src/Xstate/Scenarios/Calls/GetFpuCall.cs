using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_FPU.</summary>
internal sealed record GetFpuCall() : KvmCall("get_fpu")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetFpu(out KvmFpu fpu);
        byte[] bytes = new byte[KvmFpu.Length];
        fpu.Write(bytes);
        return KvmAnswer.Of(reply, bytes, json => SetFpuCall.Write(json, fpu));
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_FPU";
}
