using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_ONE_REG.</summary>
internal sealed record GetOneRegisterCall(ulong Id) : KvmCall("get_one_reg")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetOneRegister(Id, out ulong value);
        return KvmAnswer.Of(reply, CallJson.Bytes(value), json => json.WriteString("value", CallJson.Hex(value)));
    }

    /// <inheritdoc/>
    public override string ToString() => $"GET_ONE_REG 0x{Id:x}";

    internal static GetOneRegisterCall Parse(ScenarioValue step) => new(step.Require("id").Number());

    internal override void Write(Utf8JsonWriter json) => json.WriteString("id", CallJson.Hex(Id));
}
