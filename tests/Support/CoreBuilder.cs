using System.Buffers.Binary;
using System.Text;

namespace Xstate.Tests.Support;

/// <summary>
/// Builds ELF cores from notes, as Linux lays them out: header, program headers, notes, then memory, then section header 0 where PN_XNUM
/// needs it.
/// </summary>
internal sealed class CoreBuilder
{
    public const ushort I386 = 3;
    public const ushort X86_64 = 62;

    private const int NoteSegment = 4;
    private const int LoadSegment = 1;

    private readonly List<List<byte[]>> _segments = [[]];

    public bool Is64 { get; init; } = true;

    public ushort Machine { get; init; } = X86_64;

    public bool FreeBsd { get; init; }

    public int Padding { get; init; } = 4;

    /// <summary>Zeros between the notes and the memory.</summary>
    public int Room { get; init; }

    /// <summary>Memory segments, of <see cref="MemoryLength"/> bytes each.</summary>
    public int Memories { get; init; }

    public long MemoryLength { get; init; }

    /// <summary>Writes the number of program headers into section header 0, at the end, and PN_XNUM into the ELF header.</summary>
    public bool ExtendedNumbering { get; init; }

    private string Owner => FreeBsd ? "FreeBSD" : "CORE";

    /// <summary>Starts a thread.</summary>
    public CoreBuilder Thread(int id, int signal = 0)
    {
        byte[] status = new byte[FreeBsd ? (Is64 ? 232 : 104) : Is64 ? 336 : Machine == I386 ? 144 : 296];
        int idAt = FreeBsd ? (Is64 ? 40 : 24) : Is64 ? 32 : 24;
        BinaryPrimitives.WriteInt32LittleEndian(status.AsSpan(idAt), id);
        BinaryPrimitives.WriteInt16LittleEndian(status.AsSpan(FreeBsd ? idAt - 4 : 12), (short)signal);
        return Note(Owner, 1, status);
    }

    public CoreBuilder FpRegisters(byte[] image) => Note(Owner, 2, image);

    public CoreBuilder FxRegisters(byte[] image) => Note("LINUX", 0x46E62B7F, image);

    public CoreBuilder Area(byte[] area) => Note(FreeBsd ? "FreeBSD" : "LINUX", 0x202, area);

    public CoreBuilder Gdb() => Note("GDB", 0xFF00_0000, "<target/>"u8.ToArray());

    public CoreBuilder Auxv(params (ulong Key, ulong Value)[] entries)
    {
        int word = Is64 ? 8 : 4;
        byte[] bytes = new byte[(entries.Length + 1) * 2 * word];
        for (int i = 0; i < entries.Length; i++)
        {
            Word(bytes, i * 2 * word, entries[i].Key);
            Word(bytes, ((i * 2) + 1) * word, entries[i].Value);
        }

        return Note("CORE", 6, bytes);
    }

    public CoreBuilder Layout(params (int Component, int Size, int Offset)[] records)
    {
        byte[] bytes = new byte[records.Length * 16];
        for (int i = 0; i < records.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(i * 16), records[i].Component);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan((i * 16) + 4), records[i].Size);
            BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan((i * 16) + 8), records[i].Offset);
        }

        return Note("LINUX", 0x205, bytes);
    }

    public CoreBuilder Note(string owner, uint type, byte[] description) => Note(Encoding.ASCII.GetBytes(owner + '\0'), type, description);

    /// <summary>A note whose owner has no terminator, or is empty.</summary>
    public CoreBuilder Note(byte[] owner, uint type, byte[] description)
    {
        int begin = Pad(12 + owner.Length);
        byte[] note = new byte[begin + Pad(description.Length)];
        BinaryPrimitives.WriteInt32LittleEndian(note, owner.Length);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(4), description.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(8), type);
        owner.CopyTo(note, 12);
        description.CopyTo(note.AsSpan(begin));
        _segments[^1].Add(note);
        return this;
    }

    /// <summary>The following notes go to a PT_NOTE segment of their own.</summary>
    public CoreBuilder NextSegment()
    {
        _segments.Add([]);
        return this;
    }

    /// <summary>Header, program headers and notes, and where the memory would begin; the memory itself is not there.</summary>
    public (byte[] Head, long Length) BuildSparse()
    {
        int headerLength = Is64 ? 64 : 52;
        int entry = Is64 ? 56 : 32;
        int sectionEntry = Is64 ? 64 : 40;
        int segments = _segments.Count + Memories;
        long notesAt = headerLength + ((long)segments * entry);
        long memoryAt = notesAt + _segments.Sum(notes => notes.Sum(note => (long)note.Length)) + Room;
        long end = memoryAt + (Memories * MemoryLength);
        byte[] head = new byte[memoryAt];
        ReadOnlySpan<byte> ident = [0x7F, (byte)'E', (byte)'L', (byte)'F', (byte)(Is64 ? 2 : 1), 1, 1, (byte)(FreeBsd ? 9 : 0)];
        ident.CopyTo(head);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(16), 4);
        BinaryPrimitives.WriteUInt16LittleEndian(head.AsSpan(18), Machine);
        head[20] = 1;
        Word(head, Is64 ? 32 : 28, (ulong)headerLength);
        int sizes = Is64 ? 52 : 40;
        Half(head, sizes, headerLength);
        Half(head, sizes + 2, entry);
        Half(head, sizes + 4, ExtendedNumbering ? 0xFFFF : segments);
        if (ExtendedNumbering)
        {
            Word(head, Is64 ? 40 : 32, (ulong)end);
            Half(head, sizes + 6, sectionEntry);
            Half(head, sizes + 8, 1);
        }

        long at = notesAt;
        for (int i = 0; i < segments; i++)
        {
            bool isNote = i < _segments.Count;
            long length = isNote ? _segments[i].Sum(note => (long)note.Length) : MemoryLength;
            int begin = headerLength + (i * entry);
            BinaryPrimitives.WriteInt32LittleEndian(head.AsSpan(begin), isNote ? NoteSegment : LoadSegment);
            Word(head, begin + (Is64 ? 8 : 4), (ulong)at);
            Word(head, begin + (Is64 ? 32 : 16), (ulong)length);
            Word(head, begin + (Is64 ? 16 : 8), isNote ? 0 : 0x10000UL + (ulong)((i - _segments.Count) * Math.Max(MemoryLength, 4096)));
            Word(head, begin + (Is64 ? 40 : 20), (ulong)(isNote ? 0 : MemoryLength));
            Word(head, begin + (Is64 ? 48 : 28), (ulong)(isNote ? Padding : 1));
            if (isNote)
            {
                foreach (byte[] note in _segments[i])
                {
                    note.CopyTo(head, at);
                    at += note.Length;
                }

                at += i == _segments.Count - 1 ? Room : 0;
            }
            else
            {
                at += length;
            }
        }

        return (head, end);
    }

    /// <summary>The whole file; memory is filled with a pattern that is never zero.</summary>
    public byte[] Build()
    {
        (byte[] head, long length) = BuildSparse();
        int sectionLength = !ExtendedNumbering ? 0 : Is64 ? 64 : 40;
        byte[] file = new byte[length + sectionLength];
        file.AsSpan(head.Length, (int)(length - head.Length)).Fill(0xA5);
        head.CopyTo(file, 0);
        if (ExtendedNumbering)
        {
            BinaryPrimitives.WriteInt32LittleEndian(file.AsSpan((int)length + (Is64 ? 44 : 28)), _segments.Count + Memories);
            Word(file, (int)length + (Is64 ? 32 : 20), 1);
        }

        return file;
    }

    private int Pad(int length) => (length + Padding - 1) & -Padding;

    private void Word(byte[] bytes, int at, ulong value)
    {
        if (Is64)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(at), (uint)value);
        }
    }

    private static void Half(byte[] bytes, int at, int value) => BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(at), (ushort)value);
}
