using System.Buffers.Binary;
using System.Globalization;

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

    /// <summary>No owner at all: Delve's notes, with Linux's types.</summary>
    Unnamed,

    /// <summary>"Delve Header" without a terminator.</summary>
    Delve,

    /// <summary>NetBSD-CORE for the process, NetBSD-CORE@N for a thread.</summary>
    NetBsd,

    /// <summary>OpenBSD, or OpenBSD@N.</summary>
    OpenBsd,

    /// <summary>A kernel's own crash dump.</summary>
    VmCoreInfo,

    /// <summary>A guest's memory, written by QEMU.</summary>
    Qemu,
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
    public const uint File = 0x4649_4C45;

    /// <summary>NetBSD: PT_GETREGS and PT_GETFPREGS (PT_FIRSTMACH is 32).</summary>
    public const uint NetBsdRegisters = 33;
    public const uint NetBsdFpRegisters = 35;
    public const uint NetBsdProcInfo = 1;

    public const uint OpenBsdProcInfo = 10;
    public const uint OpenBsdRegisters = 20;
    public const uint OpenBsdFpRegisters = 21;
    public const uint OpenBsdXfpRegisters = 22;
    public const uint GdbTargetDescription = 0xFF00_0000;

    /// <summary>
    /// This project's own: which bytes of every area are lost. Not a small number, because binutils read small types without asking for the
    /// owner.
    /// </summary>
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
    // "NetBSD-CORE@" and a number.
    private const int LongestKnownName = 24;

    /// <summary>The thread in the owner's name, as the BSDs write it; null when there is none.</summary>
    public int? ThreadInOwner { get; private init; }

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
    /// The notes of a segment, as far as the file goes. One whose description ends behind the file is not among them;
    /// <see cref="ElfSegment.End"/> beyond the file's length tells that there may have been more.
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
            NoteOwner owner = OwnerOf(head.AsSpan(HeaderLength..read), nameLength, out int? thread);
            CoreNote note = new(
                owner,
                BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(8)),
                at,
                begin,
                BinaryPrimitives.ReadUInt32LittleEndian(head.AsSpan(4)))
            {
                ThreadInOwner = thread,
            };
            if (note.End > segment.End)
            {
                throw ElfHeader.Malformed(at, $"a note of {note.End - at} bytes",
                    $"at most the {segment.End - at} that its segment has left");
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

    private static NoteOwner OwnerOf(ReadOnlySpan<byte> name, long length, out int? thread)
    {
        thread = null;
        NoteOwner known = length switch
        {
            0 => NoteOwner.Unnamed,
            4 when name.StartsWith("GDB\0"u8) => NoteOwner.Gdb,
            5 when name.StartsWith("CORE\0"u8) => NoteOwner.Core,
            5 when name.StartsWith("QEMU\0"u8) => NoteOwner.Qemu,
            6 when name.StartsWith("LINUX\0"u8) => NoteOwner.Linux,
            7 when name.StartsWith("XSTATE\0"u8) => NoteOwner.Xstate,
            8 when name.StartsWith("FreeBSD\0"u8) => NoteOwner.FreeBsd,
            11 when name.StartsWith("VMCOREINFO\0"u8) => NoteOwner.VmCoreInfo,
            12 when name.StartsWith("Delve Header"u8) => NoteOwner.Delve,
            _ => NoteOwner.Other,
        };
        return known != NoteOwner.Other || length > name.Length ? known
            : IsOfThread(name[..(int)length], "NetBSD-CORE"u8, out thread) ? NoteOwner.NetBsd
            : IsOfThread(name[..(int)length], "OpenBSD"u8, out thread) ? NoteOwner.OpenBsd
            : NoteOwner.Other;
    }

    // A name that ends there, or goes on with @ and the number of a thread.
    private static bool IsOfThread(ReadOnlySpan<byte> name, ReadOnlySpan<byte> owner, out int? thread)
    {
        thread = null;
        ReadOnlySpan<byte> rest = name.StartsWith(owner) ? name[owner.Length..].TrimEnd((byte)0) : "?"u8;
        if (rest.IsEmpty)
        {
            return true;
        }

        int id = 0;
        bool ok = rest[0] == (byte)'@' && int.TryParse(rest[1..], NumberStyles.None, CultureInfo.InvariantCulture, out id);
        thread = ok ? id : null;
        return ok;
    }
}
