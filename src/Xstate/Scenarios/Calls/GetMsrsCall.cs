using System.Collections.Immutable;
using System.Text.Json;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_GET_MSRS.</summary>
internal sealed record GetMsrsCall(ImmutableArray<uint> Indices) : KvmCall("get_msrs")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetMsrs(Indices.AsSpan(), out ImmutableArray<ulong> values);
        return KvmAnswer.Of(reply, CallJson.Bytes(values.AsSpan()), json => CallJson.WriteNumbers(json, "values", values));
    }

    /// <inheritdoc/>
    public override string ToString() => $"GET_MSRS {string.Join(' ', Indices.Select(index => $"0x{index:x}"))}";

    internal static GetMsrsCall Parse(ScenarioValue step) =>
        new([.. KvmCalls.Few(step.Require("indices")).Select(index => (uint)index.Number(uint.MaxValue))]);

    internal override void Write(Utf8JsonWriter json) => CallJson.WriteNumbers(json, "indices", [.. Indices]);
}
