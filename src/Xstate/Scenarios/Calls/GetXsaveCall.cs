using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_XSAVE or KVM_GET_XSAVE2.</summary>
internal sealed record GetXsaveCall(bool IsXsave2) : KvmCall(IsXsave2 ? "get_xsave2" : "get_xsave")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = IsXsave2 ? vcpu.GetXsave2(out byte[] area) : vcpu.GetXsave(out area);
        if (reply.IsSuccess)
        {
            lastArea = area;
        }

        return KvmAnswer.Of(reply, area, json => CallJson.WriteImage(json, area));
    }

    /// <inheritdoc/>
    public override string ToString() => IsXsave2 ? "GET_XSAVE2" : "GET_XSAVE";
}
