using System.Buffers.Binary;
using System.Collections.Immutable;

namespace Xstate.Artifacts.ElfCore;

/// <summary>Finds a place for one more note in a core, and changes what points at the notes.</summary>
internal sealed class NotePlacement(ArtifactSource source, CoreNotes notes)
{
    private const uint NoteSection = 7;
    private const uint NoBits = 8;

    private readonly ElfHeader _header = notes.Header;
    private readonly ElfSegment _segment = notes.Segment;

    // A segment may end before the padding of its last note, or have a few bytes behind it.
    private readonly long _from = Math.Min(notes.Segment.End, notes.SegmentNotesEnd);

    /// <summary>The patches that add a note, padded as its segment is.</summary>
    /// <param name="note">The note.</param>
    /// <param name="changes">Other changes to the file, which have to be where the notes are afterwards.</param>
    /// <exception cref="NotSupportedException">There is no place.</exception>
    public ImmutableArray<ArtifactPatch> Append(byte[] note, IReadOnlyCollection<ArtifactPatch>? changes = null)
    {
        // A note at the end of what is left would make the missing ones look as if they had never been.
        if (notes.MissingNotes > 0 || _from > source.Length)
        {
            throw new NotSupportedException("the core is truncated among its notes");
        }

        byte[] padded = [.. new byte[notes.SegmentNotesEnd - _from], .. note];
        return Sorted(IsFree(_from, padded.Length) ? [.. changes ?? [], .. InPlace(padded)] : AtEnd(padded, changes ?? []));
    }

    // Behind the last note: over zeros that nothing claims, or at the end of the file.
    private IEnumerable<ArtifactPatch> InPlace(byte[] padded)
    {
        int inside = (int)Math.Min(padded.Length, source.Length - _from);
        return [new ArtifactPatch(_from, new byte[inside], padded), .. Point(_segment.Offset, _from - _segment.Offset + padded.Length)];
    }

    private IEnumerable<ArtifactPatch> AtEnd(byte[] padded, IReadOnlyCollection<ArtifactPatch> changes)
    {
        if (notes.MissingBytes > 0)
        {
            throw new NotSupportedException(
                "the core is truncated: a note behind its end would be read as memory, and there is no room before the memory");
        }

        if (_header.IsCountedByNotes)
        {
            throw new NotSupportedException(
                "the core has lost its section header 0: the number of its program headers is known from where its notes are, so these "
                + "cannot move");
        }

        int length = (int)Math.Min(_from - _segment.Offset, int.MaxValue);
        if (length + (long)padded.Length > notes.Limits.MaxNoteBytes)
        {
            throw new NotSupportedException($"more than {notes.Limits.MaxNoteBytes} bytes of notes");
        }

        long offset = CoreNote.Padded(source.Length, sizeof(ulong));
        byte[] all = source.Bytes(ElfCoreReader.Format, _segment.Offset, length, "notes");
        ILookup<bool, ArtifactPatch> moved = changes.ToLookup(patch => patch.Offset >= _segment.Offset && patch.Offset < _from);
        foreach (ArtifactPatch patch in moved[true])
        {
            patch.Replacement.Span.CopyTo(all.AsSpan((int)(patch.Offset - _segment.Offset)));
        }

        byte[] tail = [.. new byte[offset - source.Length], .. all, .. padded];
        if (!_header.Is64 && offset + all.Length + padded.Length > uint.MaxValue)
        {
            throw new NotSupportedException("the core is too long for one more note: ELFCLASS32 has 32-bit offsets");
        }

        return [.. moved[false], .. Point(offset, all.Length + padded.Length),
            new ArtifactPatch(source.Length, ReadOnlyMemory<byte>.Empty, tail)];
    }

    private static ImmutableArray<ArtifactPatch> Sorted(IEnumerable<ArtifactPatch> patches) => [.. patches.OrderBy(patch => patch.Offset)];

    // Nothing but zeros there, and no header, table, segment or section that says it is its own.
    private bool IsFree(long from, int length)
    {
        long to = from + length;
        byte[] there = new byte[(int)Math.Max(0, Math.Min(length, source.Length - from))];
        if (source.ReadAt(from, there) != there.Length || there.AsSpan().ContainsAnyExcept((byte)0))
        {
            return false;
        }

        bool Touches(long start, long end) => start < to && end > from;
        if (Touches(0, _header.Length)
            || Touches(_header.ProgramHeaders, _header.ProgramHeaders + (_header.ProgramHeaderCount * _header.ProgramHeaderLength))
            || (_header.SectionHeaders > 0 && Touches(_header.SectionHeaders,
                _header.SectionHeaders + (Math.Max(1, _header.SectionHeaderCount) * _header.SectionHeaderLength))))
        {
            return false;
        }

        return !ElfSegment.ReadAll(source, _header).Any(segment => segment.FileLength > 0 && segment.HeaderOffset != _segment.HeaderOffset
            && Touches(segment.Offset, segment.End))
            && !Sections().Any(section => section.Type is not (0 or NoBits or NoteSection) && Touches(section.Offset,
                section.Length > long.MaxValue - section.Offset ? long.MaxValue : section.Offset + section.Length));
    }

    // p_offset and p_filesz of the segment, and the same of a section that gdb's gcore writes for it.
    private IEnumerable<ArtifactPatch> Point(long offset, long length)
    {
        foreach (ArtifactPatch patch in Word(_segment.HeaderOffset + ElfSegment.OffsetField(_header.Is64), _segment.Offset, offset)
            .Concat(Word(_segment.HeaderOffset + ElfSegment.FileLengthField(_header.Is64), _segment.FileLength, length)))
        {
            yield return patch;
        }

        foreach ((uint type, long at, long sectionOffset, long sectionLength) in Sections())
        {
            if (type == NoteSection && sectionOffset == _segment.Offset && sectionLength == _segment.FileLength)
            {
                foreach (ArtifactPatch patch in Word(at + OffsetField, sectionOffset, offset)
                    .Concat(Word(at + LengthField, sectionLength, length)))
                {
                    yield return patch;
                }
            }
        }
    }

    private int OffsetField => _header.Is64 ? 24 : 16;

    private int LengthField => _header.Is64 ? 32 : 20;

    private IEnumerable<(uint Type, long HeaderOffset, long Offset, long Length)> Sections()
    {
        for (long i = 0; i < _header.SectionHeaderCount && _header.SectionHeaders > 0; i++)
        {
            long at = _header.SectionHeaders + (i * _header.SectionHeaderLength);
            if (at > source.Length - _header.SectionHeaderLength)
            {
                // A truncated core has lost its section table; nothing of it has to be kept right.
                yield break;
            }

            byte[] section = source.Bytes(ElfCoreReader.Format, at, _header.SectionHeaderLength, "section headers");
            yield return (
                BinaryPrimitives.ReadUInt32LittleEndian(section.AsSpan(4)),
                at,
                ElfHeader.Word(section, OffsetField, _header.Is64, at),
                ElfHeader.Word(section, LengthField, _header.Is64, at));
        }
    }

    private IEnumerable<ArtifactPatch> Word(long at, long found, long replacement)
    {
        if (found != replacement)
        {
            yield return new ArtifactPatch(at, Bytes(found), Bytes(replacement));
        }
    }

    private byte[] Bytes(long value)
    {
        byte[] bytes = new byte[_header.Is64 ? sizeof(ulong) : sizeof(uint)];
        if (_header.Is64)
        {
            BinaryPrimitives.WriteInt64LittleEndian(bytes, value);
        }
        else
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)value);
        }

        return bytes;
    }
}
