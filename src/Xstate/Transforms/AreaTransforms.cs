using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Transforms;

/// <summary>
/// Conversions between formats and layouts over caller-owned memory: each byte moves once and nothing is allocated. None of them judges:
/// what may be lost is decided by the caller.
/// </summary>
public static class AreaTransforms
{
    /// <summary>
    /// Writes an area in standard format at a layout's offsets. Supervisor components have no place there and are left out of XSTATE_BV, as
    /// is every component that the destination's layout lacks; the result says which.
    /// </summary>
    /// <param name="source">The area, in either format.</param>
    /// <param name="from">The layout that it was written with.</param>
    /// <param name="destination">At least the standard length of <paramref name="to"/> for the area's components; fully
    /// overwritten.</param>
    /// <param name="to">The layout to write.</param>
    /// <returns>Components of the source's XSTATE_BV that could not be carried over.</returns>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public static StateComponentSet ToStandard(ReadOnlySpan<byte> source, XsaveLayout from, Span<byte> destination, XsaveLayout to)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        XsaveArea area = new(source);
        StateComponentSet carried = area.XstateBv & to.UserComponents & (from.UserComponents | StateComponentSet.Legacy);
        CheckRoom(destination, to.StandardLengthFor(carried));
        CopyHead(area, destination);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[XsaveFormat.XcompBvOffset..], 0);

        // A compacted area without SSE stands for the initial MXCSR whatever its bytes say.
        if (area.IsCompacted && !area.XstateBv.Contains(StateComponent.Sse))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(destination[XsaveFormat.MxcsrOffset..], Mxcsr.Initial);
        }

        foreach (StateComponent component in carried.Except(StateComponentSet.Legacy))
        {
            to.TryGetSlot(component, out XsaveSlot slot);
            if (!area.TryGetComponent(component, from, out ReadOnlySpan<byte> bytes))
            {
                carried = carried.Without(component);
                continue;
            }

            bytes[..Math.Min(bytes.Length, slot.Size)].CopyTo(destination[slot.Offset..]);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(destination[XsaveFormat.XstateBvOffset..], carried.Bits);
        return area.XstateBv.Except(carried);
    }

    /// <summary>
    /// Writes an area in compacted format with the given XCOMP_BV. In this format MXCSR rides with SSE, so a value other than the initial
    /// one sets bit 1 of XSTATE_BV.
    /// </summary>
    /// <param name="source">The area, in either format.</param>
    /// <param name="from">The layout that it was written with.</param>
    /// <param name="destination">At least the compacted length of <paramref name="components"/>; fully overwritten.</param>
    /// <param name="to">The layout whose sizes and alignments to write.</param>
    /// <param name="components">XCOMP_BV without its format flag.</param>
    /// <returns>Components of the source's XSTATE_BV that could not be carried over.</returns>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public static StateComponentSet ToCompacted(
        ReadOnlySpan<byte> source, XsaveLayout from, Span<byte> destination, XsaveLayout to, StateComponentSet components)
    {
        ArgumentNullException.ThrowIfNull(from);
        ArgumentNullException.ThrowIfNull(to);
        XsaveArea area = new(source);
        StateComponentSet carried = area.XstateBv & components & to.Components;
        CheckRoom(destination, to.CompactedLengthFor(components));
        CopyHead(area, destination);
        foreach (StateComponent component in carried.Except(StateComponentSet.Legacy))
        {
            to.TryGetSlot(component, out XsaveSlot slot);
            if (!area.TryGetComponent(component, from, out ReadOnlySpan<byte> bytes))
            {
                carried = carried.Without(component);
                continue;
            }

            bytes[..Math.Min(bytes.Length, slot.Size)].CopyTo(destination[to.CompactedOffset(component, components)..]);
        }

        StateComponentSet written = carried;
        uint mxcsr = Captures.RegisterDump.EffectiveMxcsr(area);
        if (components.Contains(StateComponent.Sse) && mxcsr != Mxcsr.Initial && !carried.Contains(StateComponent.Sse))
        {
            destination[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd].Clear();
            written = carried.With(StateComponent.Sse);
        }

        BinaryPrimitives.WriteUInt32LittleEndian(destination[XsaveFormat.MxcsrOffset..], mxcsr);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[XsaveFormat.XstateBvOffset..], written.Bits);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[XsaveFormat.XcompBvOffset..], components.Bits | XsaveFormat.CompactedFlag);
        return area.XstateBv.Except(carried);
    }

    /// <summary>
    /// Clears components in place: their bits in XSTATE_BV, and their bytes where the layout has a place for them, so that nothing stale
    /// stays behind. x87 becomes its initial configuration.
    /// </summary>
    public static void Clear(Span<byte> area, XsaveLayout layout, StateComponentSet components)
    {
        ArgumentNullException.ThrowIfNull(layout);
        XsaveArea view = new(area);
        ulong xcompBv = view.XcompBv;
        BinaryPrimitives.WriteUInt64LittleEndian(area[XsaveFormat.XstateBvOffset..], view.XstateBv.Except(components).Bits);
        foreach (StateComponent component in components)
        {
            if (component == StateComponent.X87)
            {
                area[..XsaveFormat.MxcsrOffset].Clear();
                area[XsaveFormat.StOffset..XsaveFormat.XmmOffset].Clear();
                BinaryPrimitives.WriteUInt16LittleEndian(area, XsaveFormat.InitialFcw);
            }
            else if (component == StateComponent.Sse)
            {
                area[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd].Clear();
            }
            else if (layout.TryLocate(component, xcompBv, area.Length, out int offset, out int size))
            {
                area.Slice(offset, size).Clear();
            }
        }
    }

    // Legacy region and header as they are; everything after zero.
    private static void CopyHead(XsaveArea area, Span<byte> destination)
    {
        area.Bytes[..XsaveFormat.ExtendedOffset].CopyTo(destination);
        destination[XsaveFormat.ExtendedOffset..].Clear();
    }

    private static void CheckRoom(Span<byte> destination, int needed)
    {
        if (destination.Length < needed)
        {
            throw new ArgumentException($"the destination has {destination.Length} bytes, the area needs {needed}", nameof(destination));
        }
    }
}
