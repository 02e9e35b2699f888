namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_fpu: x87 and XMM registers. MXCSR is in the structure, but x86 kernels neither read nor write it (measured on 6.18).</summary>
public sealed class KvmFpu : KvmStructure
{
    private const int XmmOffset = 152;

    /// <summary>All zero.</summary>
    public KvmFpu()
        : base(416)
    {
    }

    /// <summary>ST0 to ST7 in slots of 16 bytes.</summary>
    public Span<byte> St => Bytes[..128];

    /// <summary>FCW.</summary>
    public ushort Fcw { get => ReadUInt16(128); set => WriteUInt16(128, value); }

    /// <summary>FSW.</summary>
    public ushort Fsw { get => ReadUInt16(130); set => WriteUInt16(130, value); }

    /// <summary>Abridged FTW.</summary>
    public byte Ftw { get => Bytes[132]; set => Bytes[132] = value; }

    /// <summary>FOP.</summary>
    public ushort Fop { get => ReadUInt16(134); set => WriteUInt16(134, value); }

    /// <summary>FIP.</summary>
    public ulong Fip { get => ReadUInt64(136); set => WriteUInt64(136, value); }

    /// <summary>FDP.</summary>
    public ulong Fdp { get => ReadUInt64(144); set => WriteUInt64(144, value); }

    /// <summary>XMM0 to XMM15.</summary>
    public Span<byte> Xmm => Bytes.Slice(XmmOffset, 256);

    /// <summary>MXCSR of the structure.</summary>
    public uint Mxcsr { get => ReadUInt32(408); set => WriteUInt32(408, value); }
}
