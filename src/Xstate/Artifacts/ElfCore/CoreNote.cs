using System.Buffers.Binary;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Who defined a note's type.</summary>
internal enum NoteOwner
{
    Other,
    Core,
    Linux,
    FreeBsd,
    Gdb,
    Xstate,
}

/// <summary>Note types that this decoder knows; the same number means another thing under another owner.</summary>
internal static class NoteType
{
    public const uint PrStatus = 1;
    public const uint FpRegSet = 2;
    public const uint PrPsInfo = 3;
    public const uint Auxv = 6;
    public const uint X86Xstate = 0x202;
    public const uint X86ShadowStack = 0x204;
    public const uint X86XsaveLayout = 0x205;
    public const uint PrXfpReg = 0x46E6_2B7F;
    public const uint GdbTargetDescription = 0xFF00_0000;

    /// <summary>This project's own: which bytes of every area are lost. Not a small number, because binutils read small types without asking for the owner.</summary>
    public const uint XstateLost = 0x5853_5401;
}

/// <summary>One note: where its description is, unread.</summary>
/// <param name="Owner">Its name.</param>
/// <param name="Type">Its type.</param>
/// <param name="Offset">Where its header is in the file.</param>
/// <param name="DescriptionOffset">Where its description begins.</param>
/// <param name="DescriptionLength">How long the description is.</param>
internal readonly record struct CoreNote(NoteOwner Owner, uint Type, long Offset, long DescriptionOffset, long DescriptionLength)
{
    private const int HeaderLength = 3 * sizeof(uint);
    private const int LongestKnownName = 8;

    /// <summary>The first byte after the description, without padding.</summary>
    public long End => DescriptionOffset + DescriptionLength;

    /// <summary>The bytes of a note.</summary>
    public static byte[] Write(string owner, uint type, ReadOnlySpan<byte> description, int padding)
    {
        int begin = (int)Padded(HeaderLength + owner.Length + 1, padding);
        byte[] note = new byte[begin + (int)Padded(description.Length, padding)];
        BinaryPrimitives.WriteInt32LittleEndian(note, owner.Length + 1);
        BinaryPrimitives.WriteInt32LittleEndian(note.AsSpan(4), description.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(8), type);
        System.Text.Encoding.ASCII.GetBytes(owner, note.AsSpan(HeaderLength));
        description.CopyTo(note.AsSpan(begin));
        return note;
    }

    /// <summary>
    /// The notes of a segment, as far as the file goes. One whose description ends behind the file is not among them; <see cref="ElfSegment.End"/> beyond the file's length tells that there
    /// may have been more.
    /// </summary>
    /// <exception cref="MalformedArtifactException">A note is longer than its segment, or there are more than the limit.</exception>
    public static IEnumerable<CoreNote> ReadAll(ArtifactSource source, ElfSegment segment, ArtifactLimits limits)
    {
        long end = Math.Min(segment.End, source.Length);
        byte[] head = new byte[HeaderLength + LongestKnownName];
        long at = segment.Offset;
        for (int count = 0; end - at >= HeaderLength; count++)
        {
            if (count == limits.MaxNotes)
            {
                throw ElfHeader.Malformed(at, "one more note", $"at most {limits.MaxNotes}");
            }

            int read = source.ReadAt(at, head.AsSpan(0, (int)Math.Min(head.Length, end - at)));
            long nameLength = BinaryPrimitives.ReadUInt32LittleEndian(head);
            long begin = at + Padded(HeaderLength + nameLength, segment.NotePadding);
            CoreNote note = new(
                OwnerOf(head.AsSpan(HeaderLength..read), nameLength),
                BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8)),
                at,
                begin,
                BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4)));
            if (note.End > segment.End)
            {
                throw ElfHeader.Malformed(at, $"a note of {note.End - at} bytes", $"at most the {segment.End - at} that its segment has left");
            }

            if (note.End > end)
            {
                yield break;
            }

            yield return note;
            at = begin + Padded(note.DescriptionLength, segment.NotePadding);
        }
    }

    public static long Padded(long length, int padding) => (length + padding - 1) & -padding;

    private static NoteOwner OwnerOf(ReadOnlySpan<byte> name, long length) => length switch
    {
        4 when name.StartsWith("GDB\0"u8) => NoteOwner.Gdb,
        5 when name.StartsWith("CORE\0"u8) => NoteOwner.Core,
        6 when name.StartsWith("LINUX\0"u8) => NoteOwner.Linux,
        7 when name.StartsWith("XSTATE\0"u8) => NoteOwner.Xstate,
        8 when name.StartsWith("FreeBSD\0"u8) => NoteOwner.FreeBsd,
        _ => NoteOwner.Other,
    };
}
