using System.Buffers.Binary;

namespace Xstate.Artifacts.KvmXcrs;

/// <summary>Writes struct kvm_xcrs.</summary>
internal static class KvmXcrsWriter
{
    /// <summary>The bytes of a structure; for one that was read, the same bytes.</summary>
    /// <exception cref="ArgumentException">The structure has not exactly sixteen entries and padding words.</exception>
    public static byte[] Write(KvmXcrsBlob blob)
    {
        ArgumentNullException.ThrowIfNull(blob);
        if (blob.Entries.Length != KvmXcrsBlob.MaxXcrs || blob.Padding.Length != KvmXcrsBlob.MaxXcrs)
        {
            throw new ArgumentException($"struct kvm_xcrs has {KvmXcrsBlob.MaxXcrs} entries and padding words", nameof(blob));
        }

        byte[] bytes = new byte[KvmXcrsReader.Length];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, blob.Count);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(4), blob.Flags);
        Span<byte> rest = bytes.AsSpan(KvmXcrsReader.HeaderLength);
        foreach (KvmXcrsEntry entry in blob.Entries)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(rest, entry.Xcr);
            BinaryPrimitives.WriteUInt32LittleEndian(rest[4..], entry.Reserved);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[8..], entry.Value);
            rest = rest[KvmXcrsReader.EntryLength..];
        }

        foreach (ulong word in blob.Padding)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(rest, word);
            rest = rest[sizeof(ulong)..];
        }

        return bytes;
    }
}
