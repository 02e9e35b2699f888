using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.CaptureFile;

/// <summary>Writes a changed capture back: the document anew, whole, and nothing when it stays the same.</summary>
internal sealed class CaptureFileEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        ReadOnlyMemory<byte> before = original.Whole(limits.MaxWholeFile);
        byte[] after = CaptureFileWriter.Write(changed);
        bool same = CaptureFileWriter.Write(CaptureFileReader.Read(before.Span, limits)).AsSpan().SequenceEqual(after);
        return same ? [] : [new ArtifactPatch(0, before, after)];
    }
}
