using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>
/// Writes changed states back into a stream: the same bytes in the same places, because sections have no length and nothing has a checksum.
/// A value that needs a subsection which the stream lacks moves what follows it; the description's blanks make up for that, so that the
/// stream keeps its length.
/// </summary>
internal sealed class QemuStreamEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original) =>
        Encode(changed, QemuStreamReader.ReadContent(original, limits), original, limits);

    /// <summary>The patches of a stream wherever it lies, at its own offsets.</summary>
    public static ImmutableArray<ArtifactPatch> Encode(Capture changed, QemuStreamContent content, ArtifactSource stream,
        ArtifactLimits limits)
    {
        ImmutableArray<ArtifactPatch>.Builder patches = ImmutableArray.CreateBuilder<ArtifactPatch>();
        Dictionary<long, ImmutableArray<VmSubsection>> added = [];
        for (int i = 0; i < changed.States.Length; i++)
        {
            CpuSection section = content.Sections[i];
            (byte[] bytes, ImmutableArray<VmSubsection> subsections) = CpuSectionWriter.Write(section, content.States[i],
                changed.States[i]);
            patches.AddRange(ArtifactPatch.Between(section.Bytes, bytes, section.Offset));
            if (!subsections.IsEmpty)
            {
                added.Add(section.Id, subsections);
            }
        }

        bool cutsClock = content.States.Any(state => state.Stored!.NeedsKvm)
            && changed.States.All(state => state.Stored is { NeedsKvm: false });
        if (cutsClock)
        {
            (long start, long end) = new SectionWalk(stream, limits).Locate(content.Description, WriterEvidence.KvmClock)
                ?? throw new NotSupportedException($"the sizes in the description do not lead to the section {WriterEvidence.KvmClock}");
            patches.Add(new ArtifactPatch(start, stream.Bytes(QemuStreamReader.Format, start, (int)(end - start), WriterEvidence.KvmClock),
                Array.Empty<byte>()));
        }

        if (added.Count > 0 || cutsClock)
        {
            patches.Sort((left, right) => left.Offset.CompareTo(right.Offset));
            patches.Add(Describe(content.Description, stream, added, cutsClock,
                patches.Sum(patch => patch.Replacement.Length - patch.Found.Length)));
        }

        // Sections need not be in the order of the virtual CPUs' numbers, but they are in the stream's.
        return patches.ToImmutable();
    }

    // The description's length and text as one patch.
    private static ArtifactPatch Describe(VmDescription description, ArtifactSource stream,
        Dictionary<long, ImmutableArray<VmSubsection>> added, bool cutsClock, int growth)
    {
        long lengthOffset = description.TextOffset - sizeof(uint);
        byte[] found = stream.Bytes(QemuStreamReader.Format, lengthOffset, sizeof(uint) + description.TextLength, "the description");
        byte[] text = DescriptionText.Edit(found.AsSpan(sizeof(uint)), added, cutsClock ? WriterEvidence.KvmClock : null,
            description.TextLength - growth);
        byte[] replacement = new byte[sizeof(uint) + text.Length];
        BinaryPrimitives.WriteUInt32BigEndian(replacement, (uint)text.Length);
        text.CopyTo(replacement, sizeof(uint));
        return new ArtifactPatch(lengthOffset, found, replacement);
    }
}
