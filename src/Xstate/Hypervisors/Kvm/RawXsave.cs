using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// KVM-GET-RAW: how kernels up to 5.15 carried the state between their buffer and user space (<c>load_xsave</c> and <c>fill_xsave</c>, removed in 5.16). The legacy region is taken and
/// given as it lies; of the header only XSTATE_BV counts.
/// </summary>
internal static class RawXsave
{
    /// <summary>Takes over an image whose components the host supports: one test, MXCSR, whatever XSTATE_BV has.</summary>
    public static Refusal? CopyFromUser(FpState state, ReadOnlySpan<byte> image, ref uint pkru, StateComponentSet xfeatures)
    {
        uint mxcsr = BinaryPrimitives.ReadUInt32LittleEndian(image[XsaveFormat.MxcsrOffset..]);
        if (UabiXstate.CheckMxcsr(mxcsr, state.Host, "up to 5.15, whatever XSTATE_BV has") is { } refusal)
        {
            return refusal;
        }

        image[..XsaveFormat.LegacyLength].CopyTo(state.Legacy);
        state.Xfeatures = xfeatures;
        foreach (StateComponent component in xfeatures)
        {
            if (!state.Host.Layout.TryGetSlot(component, out XsaveSlot slot) || slot.End > image.Length)
            {
                continue;
            }

            if (component == StateComponent.Pkru)
            {
                pkru = BinaryPrimitives.ReadUInt32LittleEndian(image[slot.Offset..]);
            }
            else
            {
                image.Slice(slot.Offset, slot.Size).CopyTo(state.Component(component));
            }
        }

        return null;
    }

    /// <summary>Writes an image into a zeroed destination, trimmed to the allowed components.</summary>
    public static void CopyToUser(FpState state, Span<byte> area, StateComponentSet allowed, uint pkru)
    {
        StateComponentSet xfeatures = state.Xfeatures & allowed;
        state.Legacy.CopyTo(area);
        BinaryPrimitives.WriteUInt64LittleEndian(area[XsaveFormat.XstateBvOffset..], xfeatures.Bits);
        UabiXstate.CopyExtendedToUser(state, area, xfeatures, pkru);
    }
}
