using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.KvmCpuid2;

/// <summary>Reads struct kvm_cpuid2: u32 nent, u32 padding, then nent entries of 40 bytes.</summary>
internal static class KvmCpuid2Reader
{
    /// <summary>The format's name.</summary>
    public const string Format = "kvm_cpuid2";

    internal const int HeaderLength = 8;
    internal const int EntryLength = 40;

    // The three flags that any kernel ever defined.
    private const uint KnownFlags = 7;

    /// <summary>Whether the count, the length and the flags fit together.</summary>
    internal static bool Recognizes(ReadOnlySpan<byte> head, long length)
    {
        if (head.Length < HeaderLength + EntryLength || BinaryPrimitives.ReadUInt32LittleEndian(head[4..]) != 0)
        {
            return false;
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(head);
        if (length != HeaderLength + ((long)count * EntryLength))
        {
            return false;
        }

        for (int at = HeaderLength; at + EntryLength <= head.Length; at += EntryLength)
        {
            if ((BinaryPrimitives.ReadUInt32LittleEndian(head[(at + 8)..]) & ~KnownFlags) != 0)
            {
                return false;
            }
        }

        return true;
    }

    /// <summary>Reads the blob with everything in it.</summary>
    /// <exception cref="MalformedArtifactException">The length does not fit the count, or there are more entries than the
    /// limit.</exception>
    public static KvmCpuid2Blob Read(ReadOnlySpan<byte> bytes, ArtifactLimits limits)
    {
        ArgumentNullException.ThrowIfNull(limits);
        if (bytes.Length < HeaderLength)
        {
            throw new MalformedArtifactException(Format, 0, $"{bytes.Length} bytes", $"at least {HeaderLength}");
        }

        uint count = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        if (count > limits.MaxCpuidEntries)
        {
            throw new MalformedArtifactException(Format, 0, $"{count} entries", $"at most {limits.MaxCpuidEntries}");
        }

        long expected = HeaderLength + ((long)count * EntryLength);
        if (bytes.Length != expected)
        {
            throw new MalformedArtifactException(
                Format, Math.Min(bytes.Length, expected), $"{bytes.Length} bytes", $"{expected} for {count} entries");
        }

        ImmutableArray<KvmCpuidEntry2>.Builder entries = ImmutableArray.CreateBuilder<KvmCpuidEntry2>((int)count);
        for (ReadOnlySpan<byte> rest = bytes[HeaderLength..]; !rest.IsEmpty; rest = rest[EntryLength..])
        {
            entries.Add(new KvmCpuidEntry2(
                Word(rest, 0), Word(rest, 1), Word(rest, 2), new CpuidRegisters(Word(rest, 3), Word(rest, 4), Word(rest, 5),
                    Word(rest, 6)), Word(rest, 7), Word(rest, 8), Word(rest, 9)));
        }

        return new KvmCpuid2Blob(Word(bytes, 1), entries.MoveToImmutable());
    }

    /// <summary>Reads the blob as a dump of one processor.</summary>
    /// <exception cref="MalformedArtifactException">See <see cref="Read"/>.</exception>
    public static CpuidDump ReadDump(ReadOnlySpan<byte> bytes, ArtifactLimits limits) =>
        CpuidDump.Create(Format, [new CpuidProcessor("vCPU", Read(bytes, limits).ToTable())], []);

    private static uint Word(ReadOnlySpan<byte> bytes, int index) =>
        BinaryPrimitives.ReadUInt32LittleEndian(bytes[(index * sizeof(uint))..]);
}
