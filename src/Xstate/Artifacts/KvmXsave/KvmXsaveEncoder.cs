using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.KvmXsave;

/// <summary>Writes a changed area back into struct kvm_xsave.</summary>
internal sealed class KvmXsaveEncoder : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original) =>
        ArtifactPatch.Between(original.Whole(ArtifactLimits.Default.MaxArea), KvmXsaveWriter.Write(changed.States[0]));
}
