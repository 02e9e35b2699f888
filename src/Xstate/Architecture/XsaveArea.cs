using System.Buffers.Binary;

namespace Xstate.Architecture;

/// <summary>Read-only view of one XSAVE area in either format. Copies nothing; the span must outlive the view.</summary>
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
    public uint Mxcsr => BinaryPrimitives.ReadUInt32LittleEndian(_bytes[XsaveFormat.MxcsrOffset..]);

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
}
