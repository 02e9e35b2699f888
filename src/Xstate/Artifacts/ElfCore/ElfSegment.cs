using System.Buffers.Binary;

namespace Xstate.Artifacts.ElfCore;

/// <summary>One program header.</summary>
/// <param name="Type">p_type.</param>
/// <param name="HeaderOffset">Where the header itself is.</param>
/// <param name="Offset">p_offset.</param>
/// <param name="FileLength">p_filesz.</param>
/// <param name="Alignment">p_align.</param>
internal readonly record struct ElfSegment(uint Type, long HeaderOffset, long Offset, long FileLength, long Alignment)
{
    public const uint Note = 4;

    private const int HeadersPerRead = 1024;

    /// <summary>The first byte after the segment in the file, as its header says; the file may end before.</summary>
    public long End => Offset > long.MaxValue - FileLength ? long.MaxValue : Offset + FileLength;

    /// <summary>What notes are padded to: 8 where the header says 8, else 4 (binutils; cores say 0, 1 or 4).</summary>
    public int NotePadding => Alignment == 8 ? 8 : 4;

    /// <summary>All program headers, read in pieces: a process may have a million mappings.</summary>
    /// <exception cref="MalformedArtifactException">The file ends in the table, or a field is impossible.</exception>
    public static IEnumerable<ElfSegment> ReadAll(ArtifactSource source, ElfHeader header)
    {
        for (long done = 0; done < header.ProgramHeaderCount; done += HeadersPerRead)
        {
            int count = (int)Math.Min(HeadersPerRead, header.ProgramHeaderCount - done);
            long at = header.ProgramHeaders + (done * header.ProgramHeaderLength);
            byte[] table = source.Bytes(ElfCoreReader.Format, at, count * header.ProgramHeaderLength, "program headers");
            for (int i = 0; i < count; i++)
            {
                int entry = i * header.ProgramHeaderLength;
                yield return Read(table.AsSpan(entry, header.ProgramHeaderLength), header, at + entry);
            }
        }
    }

    /// <summary>One program header from its bytes.</summary>
    public static ElfSegment Read(ReadOnlySpan<byte> bytes, ElfHeader header, long headerOffset)
    {
        bool is64 = header.Is64;
        return new ElfSegment(
            BinaryPrimitives.ReadUInt32LittleEndian(bytes),
            headerOffset,
            ElfHeader.Word(bytes, OffsetField(is64), is64, headerOffset),
            ElfHeader.Word(bytes, FileLengthField(is64), is64, headerOffset),
            is64 ? (long)(BinaryPrimitives.ReadUInt64LittleEndian(bytes[48..]) & long.MaxValue)
            : BinaryPrimitives.ReadUInt32LittleEndian(bytes[28..]));
    }

    /// <summary>Where p_offset is in a program header.</summary>
    public static int OffsetField(bool is64) => is64 ? 8 : 4;

    /// <summary>Where p_filesz is in a program header.</summary>
    public static int FileLengthField(bool is64) => is64 ? 32 : 16;
}
