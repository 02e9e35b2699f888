using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Rehearsal;

/// <summary>Images as KVM_GET_XSAVE returns them, made from a seed: all that the file itself tells is in their bytes.</summary>
internal static class RawImage
{
    public const int Length = 4096;

    /// <summary>The image that a processor writes, with random contents in every component in use.</summary>
    /// <param name="random">The source.</param>
    /// <param name="family">The processor.</param>
    /// <param name="components">Components in use, beside x87 and SSE.</param>
    /// <param name="mxcsrMask">MXCSR_MASK to write.</param>
    public static byte[] Of(ref SplitMix64 random, LayoutFamily family, StateComponentSet components, uint mxcsrMask)
    {
        byte[] area = new byte[Math.Max(Length, family.Layout.StandardLengthFor(components))];
        BinaryPrimitives.WriteUInt16LittleEndian(area.AsSpan(XsaveFormat.FcwOffset), XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrMaskOffset), mxcsrMask);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), (components | StateComponentSet.Legacy).Bits);
        random.Fill(area.AsSpan(XsaveFormat.XmmOffset..XsaveFormat.XmmEnd));
        foreach (XsaveSlot slot in family.Layout.Slots.Where(slot => components.Contains(slot.Component)))
        {
            random.Fill(area.AsSpan(slot.Offset, slot.Component == StateComponent.Pkru ? sizeof(uint) : slot.Size));
        }

        return area;
    }

    /// <summary>The capture that a reader of kvm_xsave makes of an image.</summary>
    public static Capture Capture(byte[] area, Fact<XsaveLayout>? layout = null) =>
        new()
        {
            Format = "kvm_xsave",
            Kind = CaptureKind.VirtualMachine,
            States = [new CapturedState { Id = 0, Area = area, Layout = layout }]
        };
}
