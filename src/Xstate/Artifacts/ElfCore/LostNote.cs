using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// The description of this project's own note (owner XSTATE, type 0x58535401): the bytes of every NT_X86_XSTATE that are lost, as offset
/// and length of 32 bits each. A mended core carries it, so that zeros in place of lost registers are not taken for values; other tools
/// skip owners that they do not know.
/// </summary>
internal static class LostNote
{
    public const string Owner = "XSTATE";
    public const int RecordLength = 2 * sizeof(uint);
    public const int MaxLength = 64 * RecordLength;

    /// <exception cref="MalformedArtifactException">The ranges are empty, out of order or beyond any area.</exception>
    public static ImmutableArray<AreaRange> Read(ReadOnlySpan<byte> description, long fileOffset)
    {
        ImmutableArray<AreaRange>.Builder ranges = ImmutableArray.CreateBuilder<AreaRange>();
        int end = 0;
        for (int at = 0; at < description.Length; at += RecordLength)
        {
            uint offset = BinaryPrimitives.ReadUInt32LittleEndian(description[at..]);
            uint length = BinaryPrimitives.ReadUInt32LittleEndian(description[(at + 4)..]);
            if (offset < end || offset > XsaveLayout.MaxAreaLength || length is 0 or > XsaveLayout.MaxAreaLength)
            {
                throw ElfHeader.Malformed(fileOffset + at, $"{length} lost bytes at {offset}",
                    $"ascending ranges up to {XsaveLayout.MaxAreaLength}");
            }

            ranges.Add(new AreaRange((int)offset, (int)length));
            end = ranges[^1].End;
        }

        return ranges.ToImmutable();
    }

    public static byte[] Write(ImmutableArray<AreaRange> ranges)
    {
        byte[] description = new byte[ranges.Length * RecordLength];
        for (int i = 0; i < ranges.Length; i++)
        {
            BinaryPrimitives.WriteInt32LittleEndian(description.AsSpan(i * RecordLength), ranges[i].Offset);
            BinaryPrimitives.WriteInt32LittleEndian(description.AsSpan((i * RecordLength) + 4), ranges[i].Length);
        }

        return description;
    }
}
