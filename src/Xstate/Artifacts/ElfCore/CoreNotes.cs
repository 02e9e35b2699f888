using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>What the notes of a core say, before anyone judges it. Reads the headers and those notes that matter; never memory.</summary>
internal sealed class CoreNotes
{
    private const int MaxAuxv = 4096;
    private const int MaxPsInfo = 256;
    private const int PsInfoTail = 96;
    private const int CommandLength = 16;
    private const int NetBsdNameOffset = 124;
    private const int OpenBsdNameOffset = 72;
    private const int BsdNameLength = 32;

    private readonly ArtifactSource _source;
    private readonly List<CoreThread> _threads = [];
    private readonly HashSet<NoteOwner> _owners = [];
    private string? _process;
    private int _signal;
    private bool _auxvFirst;
    private bool _filesFirst;

    private CoreNotes(ArtifactSource source, ArtifactLimits limits, ElfHeader header)
    {
        _source = source;
        Limits = limits;
        Header = header;
    }

    public ElfHeader Header { get; }

    /// <summary>What the core was opened with.</summary>
    public ArtifactLimits Limits { get; }

    /// <summary>Threads in the order of their NT_PRSTATUS; on Linux the first is the one that the signal hit.</summary>
    public IReadOnlyList<CoreThread> Threads => _threads;

    /// <summary>NT_X86_XSAVE_LAYOUT, if the core has one.</summary>
    public XsaveLayout? Layout { get; private set; }

    /// <summary>Where that note is.</summary>
    public long LayoutOffset { get; private set; }

    /// <summary>Bytes of every area that a repair of this project marked as lost.</summary>
    public ImmutableArray<AreaRange> Lost { get; private set; } = [];

    /// <summary>The PT_NOTE segment with the last register notes: where a further note belongs.</summary>
    public ElfSegment Segment { get; private set; }

    /// <summary>
    /// Where a further note of that segment begins: behind the padding of its last one, which need not be where the segment ends.
    /// </summary>
    public long SegmentNotesEnd { get; private set; }

    /// <summary>AT_HWCAP: CPUID.1:EDX.</summary>
    public uint? Hwcap { get; private set; }

    /// <summary>AT_MINSIGSTKSZ (Linux 5.14).</summary>
    public ulong? SignalStack { get; private set; }

    /// <summary>Whether gdb wrote the core, as its own note says.</summary>
    public bool HasGdbNote => _owners.Contains(NoteOwner.Gdb);

    /// <summary>
    /// Whether the vectors of the process stand before its threads, as .NET's createdump writes them; the kernel and gdb write a thread
    /// first.
    /// </summary>
    public bool BeginsWithVectors => _auxvFirst && _filesFirst;

    /// <summary>How many bytes of notes the file is short of.</summary>
    public long MissingNotes { get; private set; }

    /// <summary>How many bytes the file is short of what its segments claim.</summary>
    public long MissingBytes { get; private set; }

    /// <summary>Program, arguments and signal in one line.</summary>
    public string? Remark(CoreWriter writer)
    {
        string by = writer.Name is null ? "" : $", written by {writer.Name}";
        string of = _process is null ? "" : $" of {_process}";
        string signal = _signal > 0 && (_process is not null || by.Length > 0) ? $", signal {_signal}" : "";
        return of.Length + by.Length == 0 ? null : $"core{of}{signal}{by}";
    }

    /// <summary>Whether any note is of this owner.</summary>
    public bool Has(NoteOwner owner) => _owners.Contains(owner);

    /// <exception cref="MalformedArtifactException">Not a core that can be read.</exception>
    public static CoreNotes Read(ArtifactSource source, ArtifactLimits limits)
    {
        CoreNotes notes = new(source, limits, ElfHeader.Read(source, limits));
        notes.ReadSegments();
        return notes;
    }

    private void ReadSegments()
    {
        // Segments that share bytes would let a small file ask for much memory; those of real cores never do.
        long allowed = Math.Min(_source.Length, Limits.MaxNoteBytes);
        long total = 0;
        foreach (ElfSegment segment in ElfSegment.ReadAll(_source, Header))
        {
            MissingBytes = Math.Max(MissingBytes, segment.FileLength == 0 ? 0 : segment.End - _source.Length);
            if (segment.Type != ElfSegment.Note)
            {
                continue;
            }

            total += Math.Max(0, Math.Min(segment.End, _source.Length) - segment.Offset);
            if (total > allowed)
            {
                throw ElfHeader.Malformed(segment.HeaderOffset, $"{total} bytes in PT_NOTE segments so far", $"at most {allowed}");
            }

            MissingNotes += Math.Max(0, segment.End - Math.Max(segment.Offset, _source.Length));
            int before = _threads.Count;
            long end = segment.Offset;
            foreach (CoreNote note in CoreNote.ReadAll(_source, segment, Limits))
            {
                Take(note);
                end = note.DescriptionOffset + CoreNote.Padded(note.DescriptionLength, segment.NotePadding);
            }

            if (_threads.Count > before || Segment.FileLength == 0)
            {
                Segment = segment;
                SegmentNotesEnd = end;
            }
        }
    }

    private void Take(CoreNote note)
    {
        _owners.Add(note.Owner);
        switch (note.Owner, note.Type)
        {
            case (NoteOwner.Core or NoteOwner.FreeBsd or NoteOwner.Unnamed, NoteType.PrStatus):
                BeginThread(note);
                break;
            case (NoteOwner.NetBsd, NoteType.NetBsdRegisters) when note.ThreadInOwner is { } id:
                AddThread(note, id);
                break;
            case (NoteOwner.OpenBsd, NoteType.OpenBsdRegisters) when note.ThreadInOwner is { } id:
                AddThread(note, id);
                break;
            case (NoteOwner.NetBsd, NoteType.NetBsdFpRegisters) when IsOfCurrent(note)
                && note.DescriptionLength is XsaveFormat.LegacyLength or FsaveImage.Length:
            case (NoteOwner.OpenBsd, NoteType.OpenBsdFpRegisters) when IsOfCurrent(note)
                && note.DescriptionLength is XsaveFormat.LegacyLength or FsaveImage.Length:
                Current(note).FpRegisters = Once(Current(note).FpRegisters, note);
                break;
            case (NoteOwner.OpenBsd, NoteType.OpenBsdXfpRegisters) when IsOfCurrent(note)
                && note.DescriptionLength == XsaveFormat.LegacyLength:
                Current(note).FxRegisters = Once(Current(note).FxRegisters, note);
                break;
            case (NoteOwner.NetBsd, NoteType.NetBsdProcInfo) when note.ThreadInOwner is null:
                TakeBsdProcess(note, NetBsdNameOffset);
                break;
            case (NoteOwner.OpenBsd, NoteType.OpenBsdProcInfo) when note.ThreadInOwner is null:
                TakeBsdProcess(note, OpenBsdNameOffset);
                break;
            case (NoteOwner.Core or NoteOwner.FreeBsd or NoteOwner.Unnamed, NoteType.FpRegSet)
                when note.DescriptionLength is XsaveFormat.LegacyLength or FsaveImage.Length:
                Current(note).FpRegisters = Once(Current(note).FpRegisters, note);
                break;
            case (NoteOwner.Linux, NoteType.PrXfpReg) when note.DescriptionLength == XsaveFormat.LegacyLength:
                Current(note).FxRegisters = Once(Current(note).FxRegisters, note);
                break;
            case (NoteOwner.Linux or NoteOwner.FreeBsd or NoteOwner.Unnamed, NoteType.X86Xstate):
                CheckArea(note);
                Current(note).Area = Once(Current(note).Area, note);
                break;
            case (NoteOwner.Linux, NoteType.X86ShadowStack) when note.DescriptionLength == sizeof(ulong):
                Current(note).ShadowStack = Once(Current(note).ShadowStack, note);
                break;
            case (NoteOwner.Linux, NoteType.X86XsaveLayout):
                TakeLayout(note);
                break;
            case (NoteOwner.Core, NoteType.Auxv):
                _auxvFirst |= _threads.Count == 0;
                TakeAuxv(note);
                break;
            case (NoteOwner.Core, NoteType.File):
                _filesFirst |= _threads.Count == 0;
                break;
            case (NoteOwner.Core or NoteOwner.FreeBsd or NoteOwner.Unnamed, NoteType.PrPsInfo):
                TakePsInfo(note);
                break;
            case (NoteOwner.Xstate, NoteType.XstateLost):
                TakeLost(note);
                break;
            default:
                break;
        }
    }

    // struct elf_prstatus: si_signo, si_code, si_errno, pr_cursig (16 bits), then two words of signal masks, then pr_pid, which is the
    // thread. FreeBSD's prstatus begins with a version and four sizes. x32 has i386's places.
    private void BeginThread(CoreNote note)
    {
        bool freeBsd = note.Owner == NoteOwner.FreeBsd;
        int idAt = freeBsd ? (Header.Is64 ? 40 : 24) : (Header.Is64 ? 32 : 24);
        int signalAt = freeBsd ? idAt - sizeof(int) : 12;
        if (note.DescriptionLength < idAt + sizeof(int))
        {
            throw ElfHeader.Malformed(note.Offset, $"NT_PRSTATUS of {note.DescriptionLength} bytes",
                $"at least {idAt + sizeof(int)}, with the thread id in it");
        }

        byte[] bytes = _source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, idAt + sizeof(int), "NT_PRSTATUS");
        int id = BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(idAt));
        if (id < 0)
        {
            throw ElfHeader.Malformed(note.DescriptionOffset + idAt, $"thread id {id}", "a positive one");
        }

        if (_threads.Count == 0)
        {
            _signal = BinaryPrimitives.ReadInt16LittleEndian(bytes.AsSpan(signalAt));
        }

        AddThread(note, id);
    }

    private void AddThread(CoreNote note, int id)
    {
        if (_threads.Count == Limits.MaxStates)
        {
            throw ElfHeader.Malformed(note.Offset, "one more thread", $"at most {Limits.MaxStates}");
        }

        _threads.Add(new CoreThread(id));
    }

    private bool IsOfCurrent(CoreNote note) => _threads.Count > 0 && note.ThreadInOwner == _threads[^1].Id;

    // struct netbsd_elfcore_procinfo and struct elfcore_procinfo of OpenBSD: version, size, signal, …, and the command.
    private void TakeBsdProcess(CoreNote note, int nameAt)
    {
        const int SignalAt = 8;
        byte[] bytes = _source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)Math.Min(note.DescriptionLength, MaxPsInfo),
            "the process");
        _signal = bytes.Length >= SignalAt + sizeof(int) ? Math.Max(0, BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(SignalAt))) : 0;
        string name = bytes.Length > nameAt ? Printable(bytes.AsSpan(nameAt, Math.Min(BsdNameLength, bytes.Length - nameAt))) : "";
        _process = name.Length > 0 ? name : _process;
    }

    private CoreThread Current(CoreNote note) => _threads.Count > 0
        ? _threads[^1] : throw ElfHeader.Malformed(note.Offset, "registers of no thread", "NT_PRSTATUS before them");

    private Description Once(Description? before, CoreNote note) => before is null
        ? new Description(note.DescriptionOffset, _source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)note.DescriptionLength,
            "registers"))
        : throw ElfHeader.Malformed(note.Offset, $"registers of thread {_threads[^1].Id} again", "each kind once");

    private void CheckArea(CoreNote note)
    {
        if (note.DescriptionLength < XsaveFormat.ExtendedOffset || note.DescriptionLength > Limits.MaxArea)
        {
            throw ElfHeader.Malformed(note.Offset, $"NT_X86_XSTATE of {note.DescriptionLength} bytes",
                $"{XsaveFormat.ExtendedOffset} to {Limits.MaxArea}");
        }
    }

    private void TakeLayout(CoreNote note)
    {
        if (Layout is not null)
        {
            throw ElfHeader.Malformed(note.Offset, "NT_X86_XSAVE_LAYOUT again", "one for the process");
        }

        // Without a component from 2 up there is nothing to place: Linux 6.12 and later write an empty note on a processor with x87 and SSE
        // only.
        if (note.DescriptionLength > LayoutNote.MaxLength || note.DescriptionLength % LayoutNote.RecordLength != 0)
        {
            throw ElfHeader.Malformed(note.Offset, $"NT_X86_XSAVE_LAYOUT of {note.DescriptionLength} bytes",
                $"up to {LayoutNote.MaxLength / LayoutNote.RecordLength} records of {LayoutNote.RecordLength} bytes");
        }

        Layout = LayoutNote.Read(_source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)note.DescriptionLength,
            "NT_X86_XSAVE_LAYOUT"), note.DescriptionOffset);
        LayoutOffset = note.Offset;
    }

    private void TakeLost(CoreNote note)
    {
        if (!Lost.IsEmpty || note.DescriptionLength is 0 or > LostNote.MaxLength || note.DescriptionLength % LostNote.RecordLength != 0)
        {
            throw ElfHeader.Malformed(note.Offset, $"a note of {note.DescriptionLength} bytes with lost ranges",
                $"one, with 1 to {LostNote.MaxLength / LostNote.RecordLength} records of {LostNote.RecordLength} bytes");
        }

        Lost = LostNote.Read(_source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)note.DescriptionLength, "lost ranges"),
            note.DescriptionOffset);
    }

    private void TakeAuxv(CoreNote note)
    {
        const int Hardware = 16;
        const int MinimalSignalStack = 51;
        int word = Header.Is64 ? sizeof(ulong) : sizeof(uint);
        byte[] bytes = _source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)Math.Min(note.DescriptionLength, MaxAuxv),
            "NT_AUXV");
        for (int at = 0; at + (2 * word) <= bytes.Length; at += 2 * word)
        {
            ulong value = Header.Is64 ? BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at + word))
                : BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at + word));
            ulong key = Header.Is64 ? BinaryPrimitives.ReadUInt64LittleEndian(bytes.AsSpan(at))
                : BinaryPrimitives.ReadUInt32LittleEndian(bytes.AsSpan(at));
            if (key == Hardware)
            {
                Hwcap = (uint)value;
            }
            else if (key == MinimalSignalStack)
            {
                SignalStack = value;
            }
        }
    }

    // Linux: the command (16 bytes) and the arguments (80) end the structure on every architecture. FreeBSD: a version, a size, the command
    // (17) and the arguments (81).
    private void TakePsInfo(CoreNote note)
    {
        byte[] bytes = _source.Bytes(ElfCoreReader.Format, note.DescriptionOffset, (int)Math.Min(note.DescriptionLength, MaxPsInfo),
            "NT_PRPSINFO");
        bool freeBsd = note.Owner == NoteOwner.FreeBsd;
        int begin = freeBsd ? (Header.Is64 ? 16 : 8) : bytes.Length - PsInfoTail;
        int length = freeBsd ? CommandLength + 1 : CommandLength;
        if (begin >= 0 && begin + length < bytes.Length)
        {
            string command = Printable(bytes.AsSpan(begin, length));
            string arguments = Printable(bytes.AsSpan(begin + length));
            string named = arguments.Length > 0 && arguments != command ? $"{command} ({arguments})" : command;
            _process = named.Length > 0 ? named : _process;
        }
    }

    private static string Printable(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        StringBuilder text = new();
        foreach (byte value in end < 0 ? bytes : bytes[..end])
        {
            text.Append(value is >= 0x20 and < 0x7F ? (char)value : '?');
        }

        return text.ToString().TrimEnd();
    }
}
