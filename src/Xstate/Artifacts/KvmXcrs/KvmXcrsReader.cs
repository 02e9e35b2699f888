using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Artifacts.KvmXcrs;

/// <summary>Reads struct kvm_xcrs: u32 nr_xcrs, u32 flags, 16 × {u32 xcr, u32 reserved, u64 value}, u64 padding[16].</summary>
internal static class KvmXcrsReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "kvm_xcrs";

    /// <summary>Bytes of the structure.</summary>
    public const int Length = HeaderLength + (KvmXcrsBlob.MaxXcrs * (EntryLength + sizeof(ulong)));

    internal const int HeaderLength = 8;
    internal const int EntryLength = 16;

    /// <summary>Whether the length is the structure's. Its content decides nothing: a hostile one has to be readable.</summary>
    internal static bool Recognizes(long length) => length == Length;

    /// <summary>Reads the structure with everything in it.</summary>
    /// <exception cref="MalformedArtifactException">The length is not 392 bytes.</exception>
    public static KvmXcrsBlob Read(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != Length)
        {
            throw new MalformedArtifactException(Format, Math.Min(bytes.Length, Length), $"{bytes.Length} bytes", $"{Length}");
        }

        ImmutableArray<KvmXcrsEntry>.Builder entries = ImmutableArray.CreateBuilder<KvmXcrsEntry>(KvmXcrsBlob.MaxXcrs);
        ReadOnlySpan<byte> rest = bytes[HeaderLength..];
        for (int i = 0; i < KvmXcrsBlob.MaxXcrs; i++, rest = rest[EntryLength..])
        {
            entries.Add(new KvmXcrsEntry(
                BinaryPrimitives.ReadUInt32LittleEndian(rest),
                BinaryPrimitives.ReadUInt32LittleEndian(rest[4..]),
                BinaryPrimitives.ReadUInt64LittleEndian(rest[8..])));
        }

        ImmutableArray<ulong>.Builder padding = ImmutableArray.CreateBuilder<ulong>(KvmXcrsBlob.MaxXcrs);
        for (; !rest.IsEmpty; rest = rest[sizeof(ulong)..])
        {
            padding.Add(BinaryPrimitives.ReadUInt64LittleEndian(rest));
        }

        return new KvmXcrsBlob(
            BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]),
            entries.MoveToImmutable(),
            padding.MoveToImmutable());
    }
}
