using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Artifacts.QemuStream;

/// <summary>Writes changed states back into a stream: the same bytes in the same places, because sections have no length and nothing has a checksum.</summary>
internal sealed class QemuStreamEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original) => Encode(changed, QemuStreamReader.ReadContent(original, limits));

    /// <summary>The patches of a stream wherever it lies, at its own offsets.</summary>
    public static ImmutableArray<ArtifactPatch> Encode(Capture changed, QemuStreamContent content)
    {
        ImmutableArray<ArtifactPatch>.Builder patches = ImmutableArray.CreateBuilder<ArtifactPatch>();
        for (int i = 0; i < changed.States.Length; i++)
        {
            CpuSection section = content.Sections[i];
            patches.AddRange(ArtifactPatch.Between(section.Bytes, CpuSectionWriter.Write(section, content.States[i], changed.States[i]), section.Offset));
        }

        // Sections need not be in the order of the virtual CPUs' numbers, but they are in the stream's.
        return patches.ToImmutable();
    }
}
