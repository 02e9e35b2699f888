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
        foreach (ArtifactPatch patch in QemuStreamEncoder.Encode(changed, QemuStreamReader.ReadContent(stream, limits)))
        {
            for (int done = 0; done < patch.Found.Length;)
            {
                (long? offset, int length) = state.Locate(patch.Offset + done);
                length = Math.Min(length, patch.Found.Length - done);
                patches.Add(new ArtifactPatch(Place(image, offset, patch.Offset + done), patch.Found.Slice(done, length), patch.Replacement.Slice(done, length)));
                done += length;
            }
        }

        // Clusters that follow each other in the state can lie in any order in the image.
        patches.Sort((left, right) => left.Offset.CompareTo(right.Offset));
        return patches.ToImmutable();
    }

    private static long Place(Qcow2Image image, long? offset, long inState)
    {
        if (offset is not { } place)
        {
            throw new NotSupportedException($"byte {inState} of the state is in a cluster without a place in the image, which cannot be written without allocating one");
        }

        ulong count = image.RefcountAt(place);
        return count == 1
            ? place
            : throw new NotSupportedException($"the cluster at {place} has a reference count of {count}: a change would show in everything that shares it. Delete the snapshots that share it first, in a copy of the image (qemu-img snapshot -d)");
    }
}
