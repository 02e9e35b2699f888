namespace Xstate.Architecture;

/// <summary>
/// Byte offsets that every XSAVE area shares (SDM Vol. 1, 13.4.1 and 13.4.2). Offsets derive from lengths so they cannot drift.
/// </summary>
/// <threadsafety>Any thread.</threadsafety>
public static class XsaveFormat
{
    /// <summary>Length of the legacy region, which is also the FXSAVE image.</summary>
    public const int LegacyLength = 512;

    /// <summary>Length of the XSAVE header.</summary>
    public const int HeaderLength = 64;

    /// <summary>Where the extended region begins, and the smallest possible area.</summary>
    public const int ExtendedOffset = LegacyLength + HeaderLength;

    /// <summary>XSTATE_BV, 8 bytes.</summary>
    public const int XstateBvOffset = LegacyLength;

    /// <summary>XCOMP_BV, 8 bytes.</summary>
    public const int XcompBvOffset = XstateBvOffset + sizeof(ulong);

    /// <summary>First of the 48 header bytes that are reserved.</summary>
    public const int ReservedHeaderOffset = XcompBvOffset + sizeof(ulong);

    /// <summary>How many header bytes are reserved.</summary>
    public const int ReservedHeaderLength = ExtendedOffset - ReservedHeaderOffset;

    /// <summary>Bit 63 of XCOMP_BV: the area is in compacted format.</summary>
    public const ulong CompactedFlag = 1UL << 63;

    /// <summary>FCW, 2 bytes.</summary>
    public const int FcwOffset = 0;

    /// <summary>FSW, 2 bytes; TOP is in bits 11 to 13.</summary>
    public const int FswOffset = 2;

    /// <summary>Abridged FTW, 1 byte: bit j set means physical register Rj is not empty.</summary>
    public const int FtwOffset = 4;

    /// <summary>FOP, 2 bytes of which 11 bits are kept.</summary>
    public const int FopOffset = 6;

    /// <summary>FIP, 8 bytes with REX.W; else 4 bytes and FCS.</summary>
    public const int FipOffset = 8;

    /// <summary>FDP, 8 bytes with REX.W; else 4 bytes and FDS.</summary>
    public const int FdpOffset = 16;

    /// <summary>MXCSR, 4 bytes.</summary>
    public const int MxcsrOffset = 24;

    /// <summary>MXCSR_MASK, 4 bytes: written by saves, ignored by restores.</summary>
    public const int MxcsrMaskOffset = MxcsrOffset + sizeof(uint);

    /// <summary>ST0 to ST7 relative to TOP, in slots of 16 bytes.</summary>
    public const int StOffset = 32;

    /// <summary>Bytes from one ST slot to the next.</summary>
    public const int StSlotLength = 16;

    /// <summary>Bytes of an x87 register inside its slot.</summary>
    public const int StLength = 10;

    /// <summary>XMM0 to XMM15.</summary>
    public const int XmmOffset = StOffset + (8 * StSlotLength);

    /// <summary>Bytes of one XMM register.</summary>
    public const int XmmLength = 16;

    /// <summary>End of the XMM registers: from here to 463 no instruction reads or writes.</summary>
    public const int XmmEnd = XmmOffset + (16 * XmmLength);

    /// <summary>The 48 bytes that software may use; Linux keeps its feature mask or its signal-frame magic there.</summary>
    public const int SoftwareOffset = 464;

    /// <summary>Alignment of compacted components whose sub-leaf has ECX[1] set.</summary>
    public const int CompactedAlignment = 64;

    /// <summary>FCW of the initial configuration (SDM Vol. 1, 13.6).</summary>
    public const ushort InitialFcw = 0x37F;
}
