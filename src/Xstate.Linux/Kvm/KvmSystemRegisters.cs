using System.Buffers.Binary;

namespace Xstate.Linux.Kvm;

/// <summary>A segment register of struct kvm_sregs.</summary>
internal enum KvmSegmentName
{
    /// <summary>CS.</summary>
    Cs,

    /// <summary>DS.</summary>
    Ds,

    /// <summary>ES.</summary>
    Es,

    /// <summary>FS.</summary>
    Fs,

    /// <summary>GS.</summary>
    Gs,

    /// <summary>SS.</summary>
    Ss,

    /// <summary>TR.</summary>
    Tr,

    /// <summary>LDTR.</summary>
    Ldt,
}

/// <summary>struct kvm_segment.</summary>
/// <param name="Base">Linear address.</param>
/// <param name="Limit">Last offset.</param>
/// <param name="Selector">Selector.</param>
/// <param name="Type">The four type bits.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
internal readonly record struct KvmSegment(ulong Base, uint Limit, ushort Selector, byte Type)
{
    /// <summary>P.</summary>
    public bool IsPresent { get; init; }

    /// <summary>DPL, 0 to 3.</summary>
    public byte Dpl { get; init; }

    /// <summary>D/B: 32-bit code or data.</summary>
    public bool IsDefault32 { get; init; }

    /// <summary>S: code or data rather than a system segment.</summary>
    public bool IsCodeOrData { get; init; }

    /// <summary>L: 64-bit code.</summary>
    public bool IsLong { get; init; }

    /// <summary>G: the limit counts pages.</summary>
    public bool HasPageGranularity { get; init; }

    /// <summary>Not usable (VMX).</summary>
    public bool IsUnusable { get; init; }
}

/// <summary>struct kvm_sregs: segments, control registers, EFER.</summary>
internal sealed class KvmSystemRegisters : KvmStructure
{
    private const int SegmentLength = 24;
    private const int DescriptorTableOffset = 8 * SegmentLength;
    private const int InterruptTableOffset = DescriptorTableOffset + 16;
    private const int Cr0Offset = InterruptTableOffset + 16;

    /// <summary>All zero.</summary>
    public KvmSystemRegisters()
        : base(312)
    {
    }

    /// <summary>CR0.</summary>
    public ulong Cr0 { get => ReadUInt64(Cr0Offset); set => WriteUInt64(Cr0Offset, value); }

    /// <summary>CR2.</summary>
    public ulong Cr2 { get => ReadUInt64(Cr0Offset + 8); set => WriteUInt64(Cr0Offset + 8, value); }

    /// <summary>CR3.</summary>
    public ulong Cr3 { get => ReadUInt64(Cr0Offset + 16); set => WriteUInt64(Cr0Offset + 16, value); }

    /// <summary>CR4; OSXSAVE is bit 18, PKE bit 22.</summary>
    public ulong Cr4 { get => ReadUInt64(Cr0Offset + 24); set => WriteUInt64(Cr0Offset + 24, value); }

    /// <summary>IA32_EFER.</summary>
    public ulong Efer { get => ReadUInt64(Cr0Offset + 40); set => WriteUInt64(Cr0Offset + 40, value); }

    /// <summary>GDTR.</summary>
    public (ulong Base, ushort Limit) DescriptorTable
    {
        get => Table(DescriptorTableOffset); set =>
        SetTable(DescriptorTableOffset, value);
    }

    /// <summary>IDTR.</summary>
    public (ulong Base, ushort Limit) InterruptTable { get => Table(InterruptTableOffset); set => SetTable(InterruptTableOffset, value); }

    /// <summary>A segment register.</summary>
    internal KvmSegment this[KvmSegmentName name]
    {
        get
        {
            ReadOnlySpan<byte> from = SegmentBytes(name);
            return new KvmSegment(
                BinaryPrimitives.ReadUInt64LittleEndian(from),
                BinaryPrimitives.ReadUInt32LittleEndian(from[8..]),
                BinaryPrimitives.ReadUInt16LittleEndian(from[12..]),
                from[14])
            {
                IsPresent = from[15] != 0,
                Dpl = from[16],
                IsDefault32 = from[17] != 0,
                IsCodeOrData = from[18] != 0,
                IsLong = from[19] != 0,
                HasPageGranularity = from[20] != 0,
                IsUnusable = from[22] != 0,
            };
        }

        set
        {
            Span<byte> to = SegmentBytes(name);
            BinaryPrimitives.WriteUInt64LittleEndian(to, value.Base);
            BinaryPrimitives.WriteUInt32LittleEndian(to[8..], value.Limit);
            BinaryPrimitives.WriteUInt16LittleEndian(to[12..], value.Selector);
            to[14] = value.Type;
            to[15] = Flag(value.IsPresent);
            to[16] = value.Dpl;
            to[17] = Flag(value.IsDefault32);
            to[18] = Flag(value.IsCodeOrData);
            to[19] = Flag(value.IsLong);
            to[20] = Flag(value.HasPageGranularity);
            to[22] = Flag(value.IsUnusable);
        }
    }

    private (ulong Base, ushort Limit) Table(int offset) =>
        (ReadUInt64(offset), BinaryPrimitives.ReadUInt16LittleEndian(Bytes[(offset + sizeof(ulong))..]));

    private void SetTable(int offset, (ulong Base, ushort Limit) value)
    {
        WriteUInt64(offset, value.Base);
        BinaryPrimitives.WriteUInt16LittleEndian(Bytes[(offset + sizeof(ulong))..], value.Limit);
    }

    private static byte Flag(bool value) => value ? (byte)1 : (byte)0;

    private Span<byte> SegmentBytes(KvmSegmentName name)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan((uint)name, (uint)KvmSegmentName.Ldt, nameof(name));
        return Bytes.Slice((int)name * SegmentLength, SegmentLength);
    }
}
