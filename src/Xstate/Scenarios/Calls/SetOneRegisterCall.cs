using System.Text.Json;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_ONE_REG.</summary>
internal sealed record SetOneRegisterCall(ulong Id, ulong Value) : KvmCall("set_one_reg")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetOneRegister(Id, Value));
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_ONE_REG 0x{Id:x}=0x{Value:x}";

    internal static SetOneRegisterCall Parse(ScenarioValue step) => new(step.Require("id").Number(), step.Require("value").Number());

    internal override void Write(Utf8JsonWriter json)
    {
        json.WriteString("id", CallJson.Hex(Id));
        json.WriteString("value", CallJson.Hex(Value));
    }
}
