using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_MSRS with one MSR.</summary>
internal sealed record GetMsrCall(uint Index) : KvmCall("get_msr")
{
    /// <inheritdoc/>
    public override string Request => "KVM_GET_MSRS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetMsr(Index, out int count, out ulong value);
        return KvmAnswer.Of(reply, CallJson.Bytes((ulong)count, value), json =>
        {
            json.WriteNumber("count", count);
            json.WriteString("value", CallJson.Hex(value));
        });
    }

    /// <inheritdoc/>
    public override string ToString() => $"GET_MSRS 0x{Index:x}";

    internal static GetMsrCall Parse(ScenarioValue step) => new((uint)step.Require("index").Number(uint.MaxValue));

    internal override void Write(Utf8JsonWriter json) => json.WriteString("index", CallJson.Hex(Index));
}
