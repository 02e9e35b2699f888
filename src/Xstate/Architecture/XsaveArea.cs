using System.Buffers.Binary;

namespace Xstate.Architecture;

/// <summary>Read-only view of one XSAVE area in either format. Copies nothing; the span must outlive the view.</summary>
/// <threadsafety>A view of memory that it does not lock: whoever writes there meanwhile changes what it reads.</threadsafety>
public readonly ref struct XsaveArea
{
    private readonly ReadOnlySpan<byte> _bytes;

    /// <summary>A view over an area of at least 576 bytes.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The span is shorter than the legacy region and the header.</exception>
    public XsaveArea(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, XsaveFormat.ExtendedOffset, nameof(bytes));
        _bytes = bytes;
    }

    /// <summary>The whole area.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>
    /// XSTATE_BV: the components whose state is in the area. A clear bit means the <i>initial</i> state; its bytes may be stale.
    /// </summary>
    public StateComponentSet XstateBv => new(BinaryPrimitives.ReadUInt64LittleEndian(_bytes[XsaveFormat.XstateBvOffset..]));

    /// <summary>XCOMP_BV with its format flag.</summary>
    public ulong XcompBv => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[XsaveFormat.XcompBvOffset..]);

    /// <summary>Whether the area is in compacted format.</summary>
    public bool IsCompacted => (XcompBv & XsaveFormat.CompactedFlag) != 0;

    /// <summary>The 48 reserved header bytes.</summary>
    public ReadOnlySpan<byte> ReservedHeader => _bytes.Slice(XsaveFormat.ReservedHeaderOffset, XsaveFormat.ReservedHeaderLength);

    /// <summary>FCW as stored.</summary>
    public ushort Fcw => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[XsaveFormat.FcwOffset..]);

    /// <summary>FSW as stored.</summary>
    public ushort Fsw => BinaryPrimitives.ReadUInt16LittleEndian(_bytes[XsaveFormat.FswOffset..]);

    /// <summary>MXCSR as stored, whatever XSTATE_BV says.</summary>
    public uint Mxcsr => LegacyRegion.ReadMxcsr(_bytes);

    /// <summary>
    /// MXCSR as a load makes it. In the standard format the stored value counts even with bits 1 and 2 clear, because kernels before 5.16
    /// kept it so; zero with both clear is the mark of an area that was never written. In the compacted format it rides with SSE alone.
    /// </summary>
    public uint EffectiveMxcsr
    {
        get
        {
            StateComponentSet live = XstateBv;
            bool neverWritten = !IsCompacted && Mxcsr == 0 && !live.Contains(StateComponent.Sse) && !live.Contains(StateComponent.Avx);
            return neverWritten ? Architecture.Mxcsr.Initial : Architecture.Mxcsr.Loaded(Mxcsr, live, IsCompacted);
        }
    }

    /// <summary>MXCSR_MASK as stored.</summary>
    public uint MxcsrMask => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[XsaveFormat.MxcsrMaskOffset..]);

    /// <summary>
    /// The first eight bytes of the software-available region: Linux 5.16 and later keep the user feature mask of the source host there.
    /// </summary>
    public ulong SoftwareMask => BinaryPrimitives.ReadUInt64LittleEndian(_bytes[XsaveFormat.SoftwareOffset..]);

    /// <summary>
    /// The bytes of an extended component (number 2 and up) under the layout of the CPU that wrote the area. False when the area has no
    /// place for it. Stale bytes are returned as they are: ask <see cref="XstateBv"/> whether they count.
    /// </summary>
    public bool TryGetComponent(StateComponent component, XsaveLayout layout, out ReadOnlySpan<byte> bytes)
    {
        ArgumentNullException.ThrowIfNull(layout);
        if (!layout.TryLocate(component, XcompBv, _bytes.Length, out int offset, out int size))
        {
            bytes = default;
            return false;
        }

        bytes = _bytes.Slice(offset, size);
        return true;
    }

    /// <summary>
    /// Where any component is, x87 and SSE included: those from their first to their last byte, so that x87 encloses MXCSR.
    /// </summary>
    internal bool TryLocate(StateComponent component, XsaveLayout layout, out int offset, out int size)
    {
        if (StateComponentSet.Legacy.Contains(component))
        {
            (offset, size) = LegacyRegion.ExtentOf(component);
            return true;
        }

        return layout.TryLocate(component, XcompBv, _bytes.Length, out offset, out size);
    }

    /// <summary>A copy of an area; one that is too short for a header is followed by zeros up to its end.</summary>
    internal static byte[] CopyPadded(ReadOnlySpan<byte> area)
    {
        byte[] copy = new byte[Math.Max(area.Length, XsaveFormat.ExtendedOffset)];
        area.CopyTo(copy);
        return copy;
    }
}
