using System.Buffers.Binary;

namespace Xstate.Architecture;

/// <summary>
/// A view that changes one XSAVE area in either format: the only code that writes the header. Copies nothing; the span must outlive the
/// view. Each method returns the view, so that an image reads as one sentence.
/// </summary>
/// <threadsafety>A view of memory that it does not lock.</threadsafety>
public readonly ref struct XsaveAreaWriter
{
    private readonly Span<byte> _bytes;

    /// <summary>A view over an area of at least 576 bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than the legacy region and the header.</exception>
    public XsaveAreaWriter(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, XsaveFormat.ExtendedOffset, nameof(bytes));
        _bytes = bytes;
    }

    /// <summary>The area, to read.</summary>
    public XsaveArea Area => new(_bytes);

    /// <summary>Writes XSTATE_BV.</summary>
    public XsaveAreaWriter WriteXstateBv(StateComponentSet components)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_bytes[XsaveFormat.XstateBvOffset..], components.Bits);
        return this;
    }

    /// <summary>Writes XCOMP_BV as it is given, with or without its format flag.</summary>
    public XsaveAreaWriter WriteXcompBv(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_bytes[XsaveFormat.XcompBvOffset..], value);
        return this;
    }

    /// <summary>Writes the XCOMP_BV of an area in compacted format with room for the components.</summary>
    public XsaveAreaWriter WriteCompacted(StateComponentSet components) => WriteXcompBv(XsaveFormat.CompactedFlag | components.Bits);

    /// <summary>Zeroes the whole header: XSTATE_BV, XCOMP_BV and the reserved bytes.</summary>
    public XsaveAreaWriter ClearHeader()
    {
        _bytes.Slice(XsaveFormat.LegacyLength, XsaveFormat.HeaderLength).Clear();
        return this;
    }

    /// <summary>Zeroes the reserved bytes of the header.</summary>
    public XsaveAreaWriter ClearReserved()
    {
        _bytes.Slice(XsaveFormat.ReservedHeaderOffset, XsaveFormat.ReservedHeaderLength).Clear();
        return this;
    }

    /// <summary>Writes MXCSR, whatever XSTATE_BV says.</summary>
    public XsaveAreaWriter WriteMxcsr(uint value)
    {
        LegacyRegion.WriteMxcsr(_bytes, value);
        return this;
    }

    /// <summary>Writes MXCSR_MASK.</summary>
    public XsaveAreaWriter WriteMxcsrMask(uint value)
    {
        LegacyRegion.WriteMxcsrMask(_bytes, value);
        return this;
    }

    /// <summary>Writes the control word and MXCSR of the initial configuration; their bytes count when XSTATE_BV has the bits.</summary>
    public XsaveAreaWriter WriteInitialControls()
    {
        LegacyRegion.WriteInitialControls(_bytes);
        return this;
    }

    /// <summary>
    /// Writes the first eight bytes of the software-available region, where Linux 5.16 and later keep the user feature mask of the host.
    /// </summary>
    public XsaveAreaWriter WriteSoftwareMask(StateComponentSet components)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_bytes[XsaveFormat.SoftwareOffset..], components.Bits);
        return this;
    }

    /// <summary>
    /// The bytes of an extended component (number 2 and up), to change them. False when the area has no place for it under the layout of
    /// the CPU that wrote it.
    /// </summary>
    public bool TryGetComponent(StateComponent component, XsaveLayout layout, out Span<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(layout);
        bool found = layout.TryLocate(component, Area.XcompBv, _bytes.Length, out int offset, out int size);
        bytes = found ? _bytes.Slice(offset, size) : default;
        return found;
    }

    /// <summary>
    /// Makes components initial by clearing their bits in XSTATE_BV, and their bytes where the layout has a place for them, so that nothing
    /// stale stays behind. x87 becomes its initial configuration.
    /// </summary>
    public void Drop(StateComponentSet components, XsaveLayout layout)
    {
        WriteXstateBv(Area.XstateBv.Except(components));
        foreach (StateComponent component in components)
        {
            Clear(component, layout);
        }
    }

    /// <summary>
    /// Sets a component's bit in XSTATE_BV. If it was clear, its bytes may be stale and become the initial ones first, and MXCSR becomes
    /// the value that a load took before.
    /// </summary>
    public void MakeExplicit(StateComponent component, XsaveLayout layout)
    {
        StateComponentSet present = Area.XstateBv;
        if (present.Contains(component))
        {
            return;
        }

        uint mxcsr = Area.EffectiveMxcsr;
        Clear(component, layout);
        if (component is StateComponent.Sse or StateComponent.Avx)
        {
            // From now on the stored value counts, so it must be the one that counted before.
            WriteMxcsr(mxcsr);
        }

        if (StateComponents.Find(component) is { InitialValue: not 0 and ulong initial }
            && TryGetComponent(component, layout, out Span<byte> bytes) && bytes.Length >= sizeof(ulong))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, initial);
        }

        WriteXstateBv(present.With(component));
    }

    private void Clear(StateComponent component, XsaveLayout layout)
    {
        if (StateComponentSet.Legacy.Contains(component))
        {
            LegacyRegion.Initialize(component, _bytes);
        }
        else if (TryGetComponent(component, layout, out Span<byte> bytes))
        {
            bytes.Clear();
        }
    }
}
