using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Kvm;

/// <summary>struct kvm_fpu: x87 and XMM registers as KVM_GET_FPU and KVM_SET_FPU carry them.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record KvmFpu
{
    /// <summary>Length of the structure.</summary>
    public const int Length = 416;

    private const int FprLength = 128;
    private const int FcwOffset = FprLength;
    private const int FswOffset = 130;
    private const int FtwxOffset = 132;
    private const int LastOpcodeOffset = 134;
    private const int LastIpOffset = 136;
    private const int LastDpOffset = 144;
    private const int XmmOffset = 152;
    private const int XmmLength = 16 * XsaveFormat.XmmLength;
    private const int MxcsrOffset = XmmOffset + XmmLength;

    /// <summary>ST0 to ST7 in 16-byte slots.</summary>
    public ReadOnlyMemory<byte> Fpr { get; init; } = new byte[FprLength];

    /// <summary>FCW.</summary>
    public ushort Fcw { get; init; }

    /// <summary>FSW.</summary>
    public ushort Fsw { get; init; }

    /// <summary>Abridged FTW.</summary>
    public byte Ftwx { get; init; }

    /// <summary>FOP.</summary>
    public ushort LastOpcode { get; init; }

    /// <summary>FIP.</summary>
    public ulong LastIp { get; init; }

    /// <summary>FDP.</summary>
    public ulong LastDp { get; init; }

    /// <summary>XMM0 to XMM15.</summary>
    public ReadOnlyMemory<byte> Xmm { get; init; } = new byte[XmmLength];

    /// <summary>MXCSR: always 0 from KVM_GET_FPU, ignored by KVM_SET_FPU.</summary>
    public uint MxcsrField { get; init; }

    /// <summary>Reads the structure.</summary>
    public static KvmFpu Parse(ReadOnlySpan<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, Length, nameof(bytes));
        return new KvmFpu
        {
            Fpr = bytes[..FprLength].ToArray(),
            Fcw = BinaryPrimitives.ReadUInt16LittleEndian(bytes[FcwOffset..]),
            Fsw = BinaryPrimitives.ReadUInt16LittleEndian(bytes[FswOffset..]),
            Ftwx = bytes[FtwxOffset],
            LastOpcode = BinaryPrimitives.ReadUInt16LittleEndian(bytes[LastOpcodeOffset..]),
            LastIp = BinaryPrimitives.ReadUInt64LittleEndian(bytes[LastIpOffset..]),
            LastDp = BinaryPrimitives.ReadUInt64LittleEndian(bytes[LastDpOffset..]),
            Xmm = bytes.Slice(XmmOffset, XmmLength).ToArray(),
            MxcsrField = BinaryPrimitives.ReadUInt32LittleEndian(bytes[MxcsrOffset..]),
        };
    }

    /// <summary>Writes the structure.</summary>
    public void Write(Span<byte> bytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, Length, nameof(bytes));
        bytes[..Length].Clear();
        Fpr.Span.CopyTo(bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[FcwOffset..], Fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[FswOffset..], Fsw);
        bytes[FtwxOffset] = Ftwx;
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[LastOpcodeOffset..], LastOpcode);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[LastIpOffset..], LastIp);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes[LastDpOffset..], LastDp);
        Xmm.Span.CopyTo(bytes[XmmOffset..]);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes[MxcsrOffset..], MxcsrField);
    }

    /// <summary>
    /// The fields as they lie in a legacy region, whatever a header says: with bits 0 and 1 clear KVM_GET_FPU returns what does not count.
    /// MXCSR is not carried.
    /// </summary>
    internal static KvmFpu LoadFrom(ReadOnlySpan<byte> legacy) => new()
    {
        Fcw = BinaryPrimitives.ReadUInt16LittleEndian(legacy[XsaveFormat.FcwOffset..]),
        Fsw = BinaryPrimitives.ReadUInt16LittleEndian(legacy[XsaveFormat.FswOffset..]),
        Ftwx = legacy[XsaveFormat.FtwOffset],
        LastOpcode = BinaryPrimitives.ReadUInt16LittleEndian(legacy[XsaveFormat.FopOffset..]),
        LastIp = BinaryPrimitives.ReadUInt64LittleEndian(legacy[XsaveFormat.FipOffset..]),
        LastDp = BinaryPrimitives.ReadUInt64LittleEndian(legacy[XsaveFormat.FdpOffset..]),
        Fpr = legacy[XsaveFormat.StOffset..XsaveFormat.XmmOffset].ToArray(),
        Xmm = legacy[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd].ToArray(),
    };

    /// <summary>
    /// Writes the fields into a legacy region and never a header: with bits 0 and 1 clear they are stored and do not count.
    /// </summary>
    internal void StoreTo(Span<byte> legacy)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(legacy[XsaveFormat.FcwOffset..], Fcw);
        BinaryPrimitives.WriteUInt16LittleEndian(legacy[XsaveFormat.FswOffset..], Fsw);

        // The kernel's field is 16 bits wide: the reserved byte behind FTW becomes 0.
        BinaryPrimitives.WriteUInt16LittleEndian(legacy[XsaveFormat.FtwOffset..], Ftwx);
        BinaryPrimitives.WriteUInt16LittleEndian(legacy[XsaveFormat.FopOffset..], LastOpcode);
        BinaryPrimitives.WriteUInt64LittleEndian(legacy[XsaveFormat.FipOffset..], LastIp);
        BinaryPrimitives.WriteUInt64LittleEndian(legacy[XsaveFormat.FdpOffset..], LastDp);
        Fpr.Span.CopyTo(legacy[XsaveFormat.StOffset..]);
        Xmm.Span.CopyTo(legacy[XsaveFormat.XmmOffset..]);
    }
}
