using System.Collections.Immutable;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_REG_LIST.</summary>
internal sealed record GetRegisterListCall() : KvmCall("get_reg_list")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetRegisterList(out ImmutableArray<ulong> ids);
        return KvmAnswer.Of(reply, CallJson.Bytes(ids.AsSpan()), json => CallJson.WriteNumbers(json, "ids", ids));
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_REG_LIST";
}
