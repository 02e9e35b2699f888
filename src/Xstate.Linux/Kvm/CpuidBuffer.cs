using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_cpuid2: a count and 40-byte entries.</summary>
internal static class CpuidBuffer
{
    /// <summary>More than KVM keeps for a vCPU (256) and more than it supports (about 60): one call is always enough.</summary>
    internal const int RoomyCount = 512;

    private const int HeaderLength = 8;
    private const int EntryLength = 40;
    private const int PaddingOffset = 28;
    private const uint SubleafSignificant = 1;

    /// <summary>
    /// Fills what the kernel does not write. Kernels before 6.5 leave the count of KVM_GET_CPUID2 as user space gave it, so the end of the
    /// answer shows only in the padding of an entry, which every table that this wrapper sets has zero.
    /// </summary>
    private const byte Untouched = 0xFF;

    internal static byte[] ForEntries(ReadOnlySpan<CpuidEntry> entries)
    {
        byte[] buffer = new byte[HeaderLength + (entries.Length * EntryLength)];
        BinaryPrimitives.WriteInt32LittleEndian(buffer, entries.Length);
        for (int i = 0; i < entries.Length; i++)
        {
            Span<byte> to = buffer.AsSpan(HeaderLength + (i * EntryLength), EntryLength);
            BinaryPrimitives.WriteUInt32LittleEndian(to, entries[i].Leaf);
            BinaryPrimitives.WriteUInt32LittleEndian(to[4..], entries[i].Subleaf);
            BinaryPrimitives.WriteUInt32LittleEndian(to[8..], entries[i].SubleafSignificant ? SubleafSignificant : 0);
            BinaryPrimitives.WriteUInt32LittleEndian(to[12..], entries[i].Registers.Eax);
            BinaryPrimitives.WriteUInt32LittleEndian(to[16..], entries[i].Registers.Ebx);
            BinaryPrimitives.WriteUInt32LittleEndian(to[20..], entries[i].Registers.Ecx);
            BinaryPrimitives.WriteUInt32LittleEndian(to[24..], entries[i].Registers.Edx);
        }

        return buffer;
    }

    internal static byte[] ForAnswer(int count)
    {
        byte[] buffer = new byte[HeaderLength + (count * EntryLength)];
        buffer.AsSpan(HeaderLength).Fill(Untouched);
        BinaryPrimitives.WriteInt32LittleEndian(buffer, count);
        return buffer;
    }

    internal static ImmutableArray<CpuidEntry> Read(ReadOnlySpan<byte> buffer)
    {
        int count = BinaryPrimitives.ReadInt32LittleEndian(buffer);
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>(count);
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> from = buffer.Slice(HeaderLength + (i * EntryLength), EntryLength);
            if (from[PaddingOffset..].IndexOfAnyExcept(Untouched) < 0)
            {
                break;
            }

            entries.Add(new CpuidEntry(
                BinaryPrimitives.ReadUInt32LittleEndian(from),
                BinaryPrimitives.ReadUInt32LittleEndian(from[4..]),
                (BinaryPrimitives.ReadUInt32LittleEndian(from[8..]) & SubleafSignificant) != 0,
                new CpuidRegisters(
                    BinaryPrimitives.ReadUInt32LittleEndian(from[12..]),
                    BinaryPrimitives.ReadUInt32LittleEndian(from[16..]),
                    BinaryPrimitives.ReadUInt32LittleEndian(from[20..]),
                    BinaryPrimitives.ReadUInt32LittleEndian(from[24..]))));
        }

        return entries.ToImmutable();
    }
}
