using System.Collections.Immutable;
using Xstate.Artifacts.QemuStream;
using Xstate.Findings;

namespace Xstate.Artifacts.LibvirtSave;

/// <summary>
/// Reads what <c>virsh save</c> and managed save write: a header, the domain's XML with a cookie, and a QEMU stream that can be compressed.
/// </summary>
internal static class LibvirtSaveReader
{
    /// <summary>The format's name.</summary>
    public const string Format = "libvirt-save";

    internal static bool Recognizes(ReadOnlySpan<byte> head) => head.StartsWith(LibvirtSaveHeader.Complete)
        || head.StartsWith(LibvirtSaveHeader.Partial);

    /// <summary>Reads a save.</summary>
    internal static Artifact Read(ArtifactSource source, ArtifactLimits limits)
    {
        LibvirtSaveHeader header = LibvirtSaveHeader.Read(source, limits);
        SavedDomain domain = SavedDomain.Read(header);
        using ArtifactSource stream = OpenStream(source, header);
        QemuStreamContent content = ReadContent(stream, limits, header, domain);
        string compression = header.Compression is { } kind ? $", {kind} compression" : header.IsSparse ? ", sparse" : "";
        string prefix = $"domain {domain.Name ?? "without a name"}, saved {(header.WasRunning ? "running" : "paused")}{compression}; CPU "
            + $"{domain.Cpu ?? "not named"}; ";
        return Artifact.Of(content.ToCapture(Format, prefix) with { RestoredBy = domain.RestoredBy, SavedCpu = domain.SavedCpu }, Format,
            new LibvirtSaveEncoder(limits), [.. content.Findings, .. OfCompression(header)]);
    }

    /// <summary>The stream behind the header, uncompressed.</summary>
    internal static ArtifactSource OpenStream(ArtifactSource source, LibvirtSaveHeader header) =>
        header.Compression is { } compression
            ? source.Decompressed(compression, header.StreamOffset)
            : new ArtifactSource(ContainedStream.From(source, header.StreamOffset), ArtifactOptions.Default);

    // Offsets of the stream become those of the file, as far as the file has them.
    private static QemuStreamContent ReadContent(ArtifactSource stream, ArtifactLimits limits, LibvirtSaveHeader header, SavedDomain domain)
    {
        try
        {
            return QemuStreamReader.ReadContent(stream, limits, domain.Writer);
        }
        catch (MalformedArtifactException error) when (error.Format == QemuStreamReader.Format)
        {
            throw header.Compression is null
                ? new MalformedArtifactException(Format, header.StreamOffset + error.Offset, error.Found, error.Expected)
                : new MalformedArtifactException(Format, header.StreamOffset,
                    $"{error.Found} at {error.Offset} of the uncompressed stream", error.Expected);
        }
    }

    private static ImmutableArray<Finding> OfCompression(LibvirtSaveHeader header)
    {
        if (header.Compression is not { } compression)
        {
            return [];
        }

        FindingLocation where = new(Offset: LibvirtSaveHeader.CompressionOffset);
        return [Rules.RewrittenUncompressed.At(where, $"the stream is compressed ({compression}): a changed save is written raw")];
    }
}
