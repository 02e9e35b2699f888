using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.KvmXsave;

/// <summary>Writes a changed area back into struct kvm_xsave.</summary>
internal sealed class KvmXsaveEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original) =>
        ArtifactPatch.Between(original.Whole(limits.MaxArea), KvmXsaveWriter.Write(changed.States[0]));
}
