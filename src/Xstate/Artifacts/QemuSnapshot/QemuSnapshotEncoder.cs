using System.Collections.Immutable;
using Xstate.Artifacts.QemuStream;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuSnapshot;

/// <summary>Writes changed states back into a snapshot: in place, and only in clusters that nothing else uses.</summary>
internal sealed class QemuSnapshotEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        Qcow2Image image = new(original, limits);
        SnapshotState state = new(original, image, QemuSnapshotReader.Choose(image));
        using ArtifactSource stream = state.Open();
        ImmutableArray<ArtifactPatch>.Builder patches = ImmutableArray.CreateBuilder<ArtifactPatch>();
        foreach (ArtifactPatch patch in SameLength(QemuStreamEncoder.Encode(changed, QemuStreamReader.ReadContent(stream, limits), stream,
            limits), stream))
        {
            for (int done = 0; done < patch.Found.Length;)
            {
                (long? offset, int length) = state.Locate(patch.Offset + done);
                length = Math.Min(length, patch.Found.Length - done);
                patches.Add(new ArtifactPatch(Place(image, offset, patch.Offset + done), patch.Found.Slice(done, length),
                    patch.Replacement.Slice(done, length)));
                done += length;
            }
        }

        // Clusters that follow each other in the state can lie in any order in the image.
        patches.Sort((left, right) => left.Offset.CompareTo(right.Offset));
        return patches.ToImmutable();
    }

    // A state has its length in the image's header. Patches that move what lies between them become one over all of it.
    private static ImmutableArray<ArtifactPatch> SameLength(ImmutableArray<ArtifactPatch> patches, ArtifactSource stream)
    {
        if (patches.All(patch => patch.Found.Length == patch.Replacement.Length))
        {
            return patches;
        }

        int growth = patches.Sum(patch => patch.Replacement.Length - patch.Found.Length);
        if (growth != 0)
        {
            throw new NotSupportedException(
                $"the state would become {growth} bytes longer, for which a snapshot has no place: the blanks of its description do not "
                + "suffice");
        }

        long start = patches[0].Offset;
        byte[] found = stream.Bytes(QemuSnapshotReader.Format, start, (int)(patches[^1].Offset + patches[^1].Found.Length - start),
            "the devices");
        using MemoryStream replacement = new(found.Length);
        PatchedCopy.Write(new MemoryStream(found, writable: false), patches.Select(patch => patch with { Offset = patch.Offset - start }),
            replacement);
        return ArtifactPatch.Between(found, replacement.ToArray(), start);
    }

    private static long Place(Qcow2Image image, long? offset, long inState)
    {
        if (offset is not { } place)
        {
            throw new NotSupportedException(
                $"byte {inState} of the state is in a cluster without a place in the image, which cannot be written without allocating "
                + "one");
        }

        ulong count = image.RefcountAt(place);
        return count == 1
            ? place
            : throw new NotSupportedException(
            $"the cluster at {place} has a reference count of {count}: a change would show in everything that shares it. Delete the "
            + "snapshots that share it first, in a copy of the image (qemu-img snapshot -d)");
    }
}
