using System.Text.Json;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_FPU.</summary>
internal sealed record SetFpuCall(KvmFpu Fpu) : KvmCall("set_fpu")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetFpu(Fpu));
    }

    /// <inheritdoc/>
    public override string ToString() => "SET_FPU";

    internal static SetFpuCall Parse(ScenarioValue step)
    {
        ulong Field(string name, ulong max) => step.Take(name)?.Number(max) ?? 0;
        return new SetFpuCall(new KvmFpu
        {
            Fpr = step.Take("fpr") is { } fpr ? Exactly(fpr, 128) : new byte[128],
            Fcw = (ushort)Field("fcw", ushort.MaxValue),
            Fsw = (ushort)Field("fsw", ushort.MaxValue),
            Ftwx = (byte)Field("ftwx", byte.MaxValue),
            LastOpcode = (ushort)Field("last_opcode", ushort.MaxValue),
            LastIp = Field("last_ip", ulong.MaxValue),
            LastDp = Field("last_dp", ulong.MaxValue),
            Xmm = step.Take("xmm") is { } xmm ? Exactly(xmm, 256) : new byte[256],
            MxcsrField = (uint)Field("mxcsr", uint.MaxValue),
        });
    }

    internal override void Write(Utf8JsonWriter json) => Write(json, Fpu);

    internal static void Write(Utf8JsonWriter json, KvmFpu fpu)
    {
        json.WriteString("fpr", Convert.ToHexStringLower(fpu.Fpr.Span));
        json.WriteString("fcw", CallJson.Hex(fpu.Fcw));
        json.WriteString("fsw", CallJson.Hex(fpu.Fsw));
        json.WriteString("ftwx", CallJson.Hex(fpu.Ftwx));
        json.WriteString("last_opcode", CallJson.Hex(fpu.LastOpcode));
        json.WriteString("last_ip", CallJson.Hex(fpu.LastIp));
        json.WriteString("last_dp", CallJson.Hex(fpu.LastDp));
        json.WriteString("xmm", Convert.ToHexStringLower(fpu.Xmm.Span));
        json.WriteString("mxcsr", CallJson.Hex(fpu.MxcsrField));
    }

    private static byte[] Exactly(ScenarioValue value, int length) =>
        value.Bytes(length) is { } bytes && bytes.Length == length ? bytes : throw value.Error($"{length} bytes are expected");
}
