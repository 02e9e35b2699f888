using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Kvm;

/// <summary>struct kvm_fpu: x87 and XMM registers as KVM_GET_FPU and KVM_SET_FPU carry them.</summary>
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
}
