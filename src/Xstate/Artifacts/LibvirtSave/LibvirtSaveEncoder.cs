using System.Collections.Immutable;
using Xstate.Artifacts.QemuStream;
using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtSave;

/// <summary>
/// Writes changed states back into a save: in place when its stream is plain, else the whole stream uncompressed and the header saying so.
/// </summary>
internal sealed class LibvirtSaveEncoder(ArtifactLimits limits) : ICaptureEncoder
{
    public ImmutableArray<ArtifactPatch> Encode(Capture changed, ArtifactSource original)
    {
        LibvirtSaveHeader header = LibvirtSaveHeader.Read(original, limits);
        using ArtifactSource stream = LibvirtSaveReader.OpenStream(original, header);
        QemuStreamContent content = QemuStreamReader.ReadContent(stream, limits, SavedDomain.Read(header).Writer);
        ImmutableArray<ArtifactPatch> patches = QemuStreamEncoder.Encode(changed, content, stream, limits);
        if (patches.IsEmpty)
        {
            return patches;
        }

        return header.Compression is null
            ? [.. patches.Select(patch => patch with { Offset = header.StreamOffset + patch.Offset })]
            : Uncompressed(original, header, stream, patches);
    }

    private ImmutableArray<ArtifactPatch> Uncompressed(ArtifactSource original, LibvirtSaveHeader header, ArtifactSource stream,
        ImmutableArray<ArtifactPatch> patches)
    {
        long compressed = original.Length - header.StreamOffset;
        if (Math.Max(stream.Length, compressed) > limits.MaxWholeFile)
        {
            throw new NotSupportedException(
                $"the save is compressed and its stream has {stream.Length} bytes; up to {limits.MaxWholeFile} are rewritten "
                + "uncompressed. Restore it paused and save it again with 'virsh save --image-format raw'");
        }

        using MemoryStream written = new();
        PatchedCopy.Write(new MemoryStream(stream.Whole(limits.MaxWholeFile).ToArray(), writable: false), patches, written);
        byte[] plain = written.ToArray();

        byte[] field = original.Bytes(LibvirtSaveReader.Format, LibvirtSaveHeader.CompressionOffset, sizeof(uint), "the compression");
        byte[] found = original.Bytes(LibvirtSaveReader.Format, header.StreamOffset, (int)compressed, "the compressed stream");
        return [new ArtifactPatch(LibvirtSaveHeader.CompressionOffset, field, new byte[sizeof(uint)]),
            new ArtifactPatch(header.StreamOffset, found, plain)];
    }
}
