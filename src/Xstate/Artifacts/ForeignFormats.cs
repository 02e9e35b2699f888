using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Artifacts;

/// <summary>Files that are known by their first bytes and hold nothing that is read here: what they are, and what to do instead.</summary>
internal static class ForeignFormats
{
    /// <summary>Where a guest's extended state is, for files that hold its memory only.</summary>
    public const string ForGuests = "for a guest take a migration stream, virsh save or savevm";

    private const int TarMagicOffset = 257;
    private const uint MachO64 = 0xFEED_FACF;
    private const uint MachO32 = 0xFEED_FACE;

    private static readonly ImmutableArray<(Func<ReadOnlyMemory<byte>, bool> Fits, string What, string Instead)> All =
    [
        (Begins("KDUMP   "u8), "a kernel dump that kdump compressed", $"extended state, which a kernel dump does not hold; {ForGuests}"),
        (Begins("DISKDUMP"u8), "a kernel dump of diskdump", $"extended state, which a kernel dump does not hold; {ForGuests}"),
        (Begins("makedumpfile\0"u8), "a kernel dump in makedumpfile's flat format",
            $"extended state, which a kernel dump does not hold; {ForGuests}"),
        (Begins("PAGEDU64"u8), "a kernel dump of Windows",
            $"extended state of a process: a minidump (MDMP) of the process has it; {ForGuests}"),
        (Begins("PAGEDUMP"u8), "a kernel dump of 32-bit Windows",
            $"extended state of a process: a minidump (MDMP) of the process has it; {ForGuests}"),
        (head => IsMachO(head.Span, 4), "a core of macOS (Mach-O)",
            "a core that is read here; lldb prints its registers (register read --all)"),
        (head => IsMachO(head.Span, null), "a program or library of macOS (Mach-O)", "a state or a CPUID dump"),
        (head => IsElfProgram(head.Span), "an ELF program or library", "a core of it (ET_CORE)"),
        (head => head.Length > TarMagicOffset + 5 && head.Span[TarMagicOffset..].StartsWith("ustar"u8), "a tar archive",
            "the file or the directory of images inside: unpack it (tar -xf) and give that"),
        (Begins("PK\u0003\u0004"u8), "a zip archive", "the file inside: unpack it and give that"),
        (Begins("Xen saved domain, xl format"u8), "a save of Xen (xl save)", "a format that is read here; Xen's is not"),
        (Begins("\u007fVirtualBox SavedState"u8), "a saved state of VirtualBox", "a format that is read here; VirtualBox's is not"),
        (Begins("gVisorSF"u8), "a state file of gVisor", "a format that is read here; gVisor's is not"),
        (head => head.Length > 4 && BinaryPrimitives.ReadUInt32LittleEndian(head.Span) is 0xBED2_BED0 or 0xBED3_BED3,
            "a suspend or snapshot state of VMware", "a format that is read here; VMware's is not"),
    ];

    /// <summary>Refuses a file that is something else.</summary>
    /// <exception cref="MalformedArtifactException">It is one of them.</exception>
    public static void Refuse(ArtifactSource source)
    {
        ReadOnlyMemory<byte> head = source.Head[..Math.Min(source.Head.Length, 2 * TarMagicOffset)].ToArray();
        foreach ((Func<ReadOnlyMemory<byte>, bool> fits, string what, string instead) in All)
        {
            if (fits(head))
            {
                throw new MalformedArtifactException("artifact", 0, what, instead);
            }
        }
    }

    private static Func<ReadOnlyMemory<byte>, bool> Begins(ReadOnlySpan<byte> magic)
    {
        byte[] copy = magic.ToArray();
        return head => head.Span.StartsWith(copy);
    }

    private static bool IsMachO(ReadOnlySpan<byte> head, uint? fileType)
    {
        const int FileTypeOffset = 12;
        return head.Length >= FileTypeOffset + sizeof(uint) && BinaryPrimitives.ReadUInt32LittleEndian(head) is MachO64 or MachO32
            && (fileType is null || BinaryPrimitives.ReadUInt32LittleEndian(head[FileTypeOffset..]) == fileType);
    }

    private static bool IsElfProgram(ReadOnlySpan<byte> head)
    {
        const int TypeOffset = 16;
        return head.Length > TypeOffset + 1 && head.StartsWith("\u007fELF"u8) && head[TypeOffset] is 1 or 2 or 3
            && head[TypeOffset + 1] == 0 && head[5] == 1;
    }
}
