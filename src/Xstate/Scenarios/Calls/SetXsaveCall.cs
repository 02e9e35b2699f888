using System.Text.Json;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Scenarios.Calls;

/// <summary>KVM_SET_XSAVE.</summary>
internal sealed record SetXsaveCall(ReadOnlyMemory<byte> Image) : KvmCall("set_xsave")
{
    /// <inheritdoc/>
    public override KvmAnswer Perform(IKvmVcpu vcpu, ref byte[] lastArea)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        return KvmAnswer.Of(vcpu.SetXsave(Image.Span));
    }

    /// <inheritdoc/>
    public override string ToString()
    {
        if (Image.Length < XsaveFormat.ExtendedOffset)
        {
            return $"SET_XSAVE {Image.Length} bytes";
        }

        XsaveArea area = new(Image.Span);
        int reserved = area.ReservedHeader.IndexOfAnyExcept((byte)0);
        return $"SET_XSAVE {Image.Length} bytes XSTATE_BV={area.XstateBv} XCOMP_BV=0x{area.XcompBv:x} MXCSR=0x{area.Mxcsr:x} "
            + $"MXCSR_MASK=0x{area.MxcsrMask:x}"
            + (reserved < 0 ? "" : $" byte {XsaveFormat.ReservedHeaderOffset + reserved} not zero");
    }

    internal override void Write(Utf8JsonWriter json) => json.WriteString("hex", Convert.ToHexStringLower(Image.Span));
}
