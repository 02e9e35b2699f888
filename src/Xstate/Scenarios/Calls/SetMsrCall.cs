using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_MSRS with one MSR.</summary>
internal sealed record SetMsrCall(MsrEntry Entry) : KvmCall("set_msr")
{
    /// <inheritdoc/>
    public override string Request => "KVM_SET_MSRS";

    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.SetMsr(Entry.Index, Entry.Value, out int count);
        return KvmAnswer.Of(reply, new[] { (byte)count }, json => json.WriteNumber("count", count));
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_MSRS 0x{Entry.Index:x}=0x{Entry.Value:x}";

    internal static SetMsrCall Parse(ScenarioValue step) => new(KvmCalls.Msr(step));

    internal override void Write(Utf8JsonWriter json)
    {
        json.WriteString("index", CallJson.Hex(Entry.Index));
        json.WriteString("value", CallJson.Hex(Entry.Value));
    }
}
