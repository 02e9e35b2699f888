using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_MSRS: the kernel answers how many it took before the first that it refuses.</summary>
internal sealed record SetMsrsCall(ImmutableArray<MsrEntry> Entries) : KvmCall("set_msrs")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.SetMsrs(Entries.AsSpan(), out int count);
        return KvmAnswer.Of(reply, new[] { (byte)count }, json => json.WriteNumber("count", count));
    }

    /// <inheritdoc/>
    public override string ToString() => $"SET_MSRS {string.Join(' ', Entries.Select(entry => $"0x{entry.Index:x}=0x{entry.Value:x}"))}";

    internal static SetMsrsCall Parse(ScenarioValue step) => new([.. KvmCalls.Few(step.Require("entries")).Select(KvmCalls.ReadMsr)]);

    internal override void Write(Utf8JsonWriter json) =>
        CallJson.WriteEntries(json, "index", Entries.Select(entry => (entry.Index, entry.Value)));
}
