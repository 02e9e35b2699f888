namespace Xstate.Architecture;

/// <summary>
/// Conversions between formats and layouts over caller-owned memory: each byte moves once and nothing is allocated. None of them judges:
/// what may be lost is decided by the caller.
/// </summary>
/// <threadsafety>Any thread, each with memory of its own.</threadsafety>
public static class XsaveConversion
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

        // A compacted area without SSE stands for the initial MXCSR whatever its bytes say.
        XsaveAreaWriter written = new XsaveAreaWriter(destination).WriteXcompBv(0)
            .WriteMxcsr(Mxcsr.Loaded(area.Mxcsr, area.XstateBv, area.IsCompacted));
        carried = CopyExtended(area, from, destination, to, carried);
        written.WriteXstateBv(carried);
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
        XsaveAreaWriter written = new XsaveAreaWriter(destination).WriteCompacted(components);
        carried = CopyExtended(area, from, destination, to, carried);
        uint mxcsr = area.EffectiveMxcsr;
        bool needsSse = components.Contains(StateComponent.Sse) && mxcsr != Mxcsr.Initial && !carried.Contains(StateComponent.Sse);
        if (needsSse)
        {
            LegacyRegion.Initialize(StateComponent.Sse, destination);
        }

        written.WriteMxcsr(mxcsr).WriteXstateBv(needsSse ? carried.With(StateComponent.Sse) : carried);
        return area.XstateBv.Except(carried);
    }

    /// <summary>
    /// Copies components that an area holds to their places in another, and nothing else: bytes of the others and the header stay. MXCSR
    /// and its mask go with SSE, as in the compacted format.
    /// </summary>
    internal static void CopyComponents(
        XsaveArea area, XsaveLayout from, Span<byte> destination, XsaveLayout to, StateComponentSet components)
    {
        foreach (StateComponent component in components & StateComponentSet.Legacy)
        {
            LegacyRegion.Copy(component, area.Bytes, destination);
        }

        if (components.Contains(StateComponent.Sse))
        {
            LegacyRegion.CopyMxcsr(area.Bytes, destination);
        }

        CopyExtended(area, from, destination, to, components);
    }

    // To the places that the destination's own XCOMP_BV gives them. The result is what there was to copy.
    private static StateComponentSet CopyExtended(
        XsaveArea area, XsaveLayout from, Span<byte> destination, XsaveLayout to, StateComponentSet components)
    {
        ulong xcompBv = new XsaveArea(destination).XcompBv;
        foreach (StateComponent component in components.Except(StateComponentSet.Legacy))
        {
            if (area.TryGetComponent(component, from, out ReadOnlySpan<byte> bytes)
                && to.TryLocate(component, xcompBv, destination.Length, out int offset, out int size))
            {
                bytes[..Math.Min(bytes.Length, size)].CopyTo(destination[offset..]);
            }
            else
            {
                components = components.Without(component);
            }
        }

        return components;
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
