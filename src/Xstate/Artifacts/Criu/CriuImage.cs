using System.Buffers.Binary;

namespace Xstate.Artifacts.Criu;

/// <summary>
/// The frame of CRIU's images: two magic numbers, and for each entry its length in 32 bits and a Protocol Buffers message.
/// </summary>
internal static class CriuImage
{
    /// <summary>What all images begin with (IMG_COMMON_MAGIC).</summary>
    public const uint CommonMagic = 0x5456_4319;

    /// <summary>CORE_MAGIC: the state of one thread.</summary>
    public const uint CoreMagic = 0x5505_3847;

    /// <summary>CPUINFO_MAGIC: the processor of the host.</summary>
    public const uint CpuinfoMagic = 0x6140_4013;

    /// <summary>Where the length of the first entry is.</summary>
    public const int SizeOffset = 8;

    /// <summary>Where the first entry begins.</summary>
    public const int EntryOffset = SizeOffset + sizeof(uint);

    /// <summary>Whether a file is an image of a kind.</summary>
    public static bool Recognizes(ArtifactSource source, uint magic) =>
        source.Head.Length >= SizeOffset
        && BinaryPrimitives.ReadUInt32LittleEndian(source.Head) == CommonMagic
        && BinaryPrimitives.ReadUInt32LittleEndian(source.Head[sizeof(uint)..]) == magic;

    /// <summary>The only entry of an image.</summary>
    public static WireMessage Entry(ReadOnlySpan<byte> file, uint magic, string format)
    {
        if (file.Length < EntryOffset)
        {
            throw new MalformedArtifactException(format, file.Length, $"the end of the file at {file.Length}",
                $"two magic numbers and the length of an entry: {EntryOffset} bytes");
        }

        Check(file, 0, CommonMagic, format);
        Check(file, sizeof(uint), magic, format);
        uint size = BinaryPrimitives.ReadUInt32LittleEndian(file[SizeOffset..]);
        return size == file.Length - EntryOffset
            ? new WireMessage(SizeOffset, EntryOffset, file.Length, null)
            : throw new MalformedArtifactException(format, SizeOffset, $"an entry of {size} bytes",
                $"one entry, which is the {file.Length - EntryOffset} bytes that follow");
    }

    private static void Check(ReadOnlySpan<byte> file, int offset, uint expected, string format)
    {
        uint found = BinaryPrimitives.ReadUInt32LittleEndian(file[offset..]);
        if (found != expected)
        {
            throw new MalformedArtifactException(format, offset, $"0x{found:x8}", $"0x{expected:x8}");
        }
    }
}
