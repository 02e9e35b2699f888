using System.Buffers.Binary;

namespace Xstate.Artifacts.KvmCpuid2;

/// <summary>Writes struct kvm_cpuid2.</summary>
internal static class KvmCpuid2Writer
{
    /// <summary>The bytes of a blob; for one that was read, the same bytes.</summary>
    public static byte[] Write(KvmCpuid2Blob blob)
    {
        ArgumentNullException.ThrowIfNull(blob);
        byte[] bytes = new byte[KvmCpuid2Reader.HeaderLength + (blob.Entries.Length * KvmCpuid2Reader.EntryLength)];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)blob.Entries.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(sizeof(uint)), blob.Padding);
        Span<byte> rest = bytes.AsSpan(KvmCpuid2Reader.HeaderLength);
        foreach (KvmCpuidEntry2 entry in blob.Entries)
        {
            ReadOnlySpan<uint> words =
            [
                entry.Function, entry.Index, entry.Flags, entry.Registers.Eax, entry.Registers.Ebx, entry.Registers.Ecx,
                    entry.Registers.Edx,
                entry.Padding0, entry.Padding1, entry.Padding2,
            ];
            foreach (uint word in words)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(rest, word);
                rest = rest[sizeof(uint)..];
            }
        }

        return bytes;
    }
}
