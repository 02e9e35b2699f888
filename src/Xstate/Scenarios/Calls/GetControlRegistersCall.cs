using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_SREGS, of which the control registers.</summary>
internal sealed record GetControlRegistersCall() : KvmCall("get_sregs")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetControlRegisters(out KvmControlRegisters registers);
        return KvmAnswer.Of(reply, CallJson.Bytes(registers.Cr0, registers.Cr3, registers.Cr4, registers.Efer), json =>
        {
            json.WriteString("cr0", CallJson.Hex(registers.Cr0));
            json.WriteString("cr3", CallJson.Hex(registers.Cr3));
            json.WriteString("cr4", CallJson.Hex(registers.Cr4));
            json.WriteString("efer", CallJson.Hex(registers.Efer));
        });
    }

    /// <inheritdoc/>
    public override string ToString() => "GET_SREGS";
}
