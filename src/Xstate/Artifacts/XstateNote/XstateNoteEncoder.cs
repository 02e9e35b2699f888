using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.XstateNote;

/// <summary>Writes a changed area back; its length stays, since the kernel takes this one only.</summary>
internal sealed class XstateNoteEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        ReadOnlyMemory<byte> before = original.Whole(limits.MaxArea);
        ReadOnlyMemory<byte> area = changed.States[0].Area;
        return area.Length == before.Length ? ArtifactPatch.Between(before, area.ToArray())
            : throw new NotSupportedException($"{XstateNoteReader.Format} of {before.Length} bytes does not hold an area of {area.Length}");
    }
}
