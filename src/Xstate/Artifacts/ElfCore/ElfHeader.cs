using System.Buffers.Binary;

namespace Xstate.Artifacts.ElfCore;

/// <summary>The ELF header of a core, with the number of program headers already followed to where PN_XNUM moves it.</summary>
/// <param name="Is64">ELFCLASS64; x32 is ELFCLASS32 with the 64-bit machine.</param>
/// <param name="Machine">e_machine.</param>
/// <param name="ProgramHeaders">Where the program headers begin.</param>
/// <param name="ProgramHeaderCount">How many there are.</param>
/// <param name="SectionHeaders">Where the section headers begin, or 0.</param>
/// <param name="SectionHeaderCount">How many there are.</param>
internal sealed record ElfHeader(bool Is64, ushort Machine, long ProgramHeaders, long ProgramHeaderCount, long SectionHeaders,
    long SectionHeaderCount)
{
    public const ushort I386 = 3;
    public const ushort X86_64 = 62;

    private const int TypeOffset = 16;
    private const int MachineOffset = 18;
    private const byte LittleEndian = 1;
    private const ushort CoreType = 4;

    // e_phnum has 16 bits. Cores of processes with more mappings store this value and the real number in sh_info of section header 0 (Linux
    // 2.6.34).
    private const ushort ExtendedNumbering = 0xFFFF;

    /// <summary>Whether the number of program headers is known only from where the notes are, so that these may not move.</summary>
    public bool IsCountedByNotes { get; private init; }

    public int Length => Is64 ? 64 : 52;

    public int ProgramHeaderLength => Is64 ? 56 : 32;

    public int SectionHeaderLength => Is64 ? 64 : 40;

    /// <summary>Code outside 64-bit mode. x32 code runs in 64-bit mode.</summary>
    public bool IsI386 => Machine == I386;

    /// <summary>The magic and the type of a core, of any machine: one that is not x86 gets an error that says so.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> head) =>
        head.Length >= MachineOffset + sizeof(ushort) && head.StartsWith("\x7F"u8) && head[1..].StartsWith("ELF"u8)
        && (head[5] == LittleEndian ? BinaryPrimitives.ReadUInt16LittleEndian(head[TypeOffset..])
            : BinaryPrimitives.ReadUInt16BigEndian(head[TypeOffset..])) == CoreType;

    /// <exception cref="MalformedArtifactException">Not the header of an x86 core.</exception>
    public static ElfHeader Read(ArtifactSource source, ArtifactLimits limits)
    {
        ReadOnlySpan<byte> head = source.Head;
        if (!Recognizes(head))
        {
            throw Malformed(0,
                $"{Math.Min(head.Length, MachineOffset + sizeof(ushort))} bytes that begin "
                + $"{Quotation.Of(head[..Math.Min(head.Length, 4)])}", "the header of an ELF file of type ET_CORE");
        }

        if (head[5] != LittleEndian)
        {
            throw Malformed(5, $"data encoding {head[5]}", "little-endian (1): x86 has no other");
        }

        bool is64 = head[4] switch
        {
            1 => false,
            2 => true,
            byte other => throw Malformed(4, $"class {other}", "ELFCLASS32 (1) or ELFCLASS64 (2)"),
        };
        ushort machine = BinaryPrimitives.ReadUInt16LittleEndian(head[MachineOffset..]);
        if (machine is not (I386 or X86_64))
        {
            throw Malformed(MachineOffset, $"machine {machine}", $"EM_386 ({I386}) or EM_X86_64 ({X86_64})");
        }

        ElfHeader header = new(is64, machine, 0, 0, 0, 0);
        if (head.Length < header.Length)
        {
            throw Malformed(head.Length, "the end of the file", $"{header.Length} bytes of ELF header");
        }

        int sizes = is64 ? 54 : 42;
        CheckEntrySize(head, sizes, header.ProgramHeaderLength, "program header");
        header = header with
        {
            ProgramHeaders = Word(head, is64 ? 32 : 28, is64),
            ProgramHeaderCount = BinaryPrimitives.ReadUInt16LittleEndian(head[(sizes + 2)..]),
            SectionHeaders = Word(head, is64 ? 40 : 32, is64),
            SectionHeaderCount = BinaryPrimitives.ReadUInt16LittleEndian(head[(sizes + 6)..]),
        };
        if (header.SectionHeaders > 0)
        {
            CheckEntrySize(head, sizes + 4, header.SectionHeaderLength, "section header");
        }

        return header.FollowExtendedNumbering(source, limits);
    }

    /// <summary>A field of the class's word size as a file offset or length.</summary>
    /// <exception cref="MalformedArtifactException">It has bit 63 set.</exception>
    public static long Word(ReadOnlySpan<byte> bytes, int at, bool is64, long fileOffset = 0)
    {
        ulong value = is64 ? BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]) : BinaryPrimitives.ReadUInt32LittleEndian(bytes[at..]);
        return value <= long.MaxValue ? (long)value : throw Malformed(fileOffset + at, $"0x{value:x}", "an offset or length below 2^63");
    }

    public static MalformedArtifactException Malformed(long offset, string found, string expected) =>
        new(ElfCoreReader.Format, offset, found, expected);

    private static void CheckEntrySize(ReadOnlySpan<byte> head, int at, int expected, string what)
    {
        int found = BinaryPrimitives.ReadUInt16LittleEndian(head[at..]);
        if (found != expected)
        {
            throw Malformed(at, $"{found} bytes for each {what}", $"{expected}");
        }
    }

    private ElfHeader FollowExtendedNumbering(ArtifactSource source, ArtifactLimits limits)
    {
        ElfHeader result = this;
        if (ProgramHeaderCount == ExtendedNumbering)
        {
            bool told = SectionHeaders > 0 && SectionHeaders <= source.Length - SectionHeaderLength;
            result = result with { ProgramHeaderCount = told ? ExtendedCount(source) : CountUpToNotes(source), IsCountedByNotes = !told };
        }

        // The same for sections: e_shnum 0 with a table means that sh_size of section header 0 has the number.
        if (SectionHeaders > 0 && SectionHeaders <= source.Length - SectionHeaderLength && SectionHeaderCount == 0)
        {
            byte[] first = source.Bytes(ElfCoreReader.Format, SectionHeaders, SectionHeaderLength, "section header 0");
            result = result with { SectionHeaderCount = Word(first, Is64 ? 32 : 20, Is64, SectionHeaders) };
        }

        CheckCount(result.ProgramHeaderCount, Is64 ? 56 : 44, "program headers", limits);
        CheckTable(source, ProgramHeaders, result.ProgramHeaderCount * ProgramHeaderLength, Is64 ? 32 : 28, "program headers");
        CheckCount(result.SectionHeaderCount, Is64 ? 60 : 48, "section headers", limits);
        return result;
    }

    // An error points at the field, not at a place that the file does not have.
    private static void CheckTable(ArtifactSource source, long offset, long length, int field, string what)
    {
        if (offset > source.Length - length)
        {
            throw Malformed(field, $"{what} at {offset} to {(decimal)offset + length}", $"a place inside the file's {source.Length} bytes");
        }
    }

    private static void CheckCount(long count, int field, string what, ArtifactLimits limits)
    {
        if (count > limits.MaxSegments)
        {
            throw Malformed(field, $"{count} {what}", $"at most {limits.MaxSegments}");
        }
    }

    private long ExtendedCount(ArtifactSource source)
    {
        byte[] first = source.Bytes(ElfCoreReader.Format, SectionHeaders, SectionHeaderLength, "section header 0");
        return BinaryPrimitives.ReadUInt32LittleEndian(first.AsSpan(Is64 ? 44 : 28));
    }

    // The kernel writes section header 0 behind the memory, so a truncated core has lost it. But it also writes the notes right behind the
    // program headers and their header first.
    private long CountUpToNotes(ArtifactSource source)
    {
        CheckTable(source, ProgramHeaders, ProgramHeaderLength, Is64 ? 32 : 28, "the first program header");
        byte[] first = source.Bytes(ElfCoreReader.Format, ProgramHeaders, ProgramHeaderLength, "the first program header");
        ElfSegment notes = ElfSegment.Read(first, this, ProgramHeaders);
        long table = notes.Offset - ProgramHeaders;
        return notes.Type == ElfSegment.Note && table > 0 && table % ProgramHeaderLength == 0
            ? table / ProgramHeaderLength
            : throw Malformed(Is64 ? 40 : 32, $"no section header at {SectionHeaders}",
                "the one that holds the number of program headers (PN_XNUM)");
    }
}
