using System.Collections.Immutable;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Linux;

namespace Xstate.Cli.Input;

/// <summary>An artifact together with its bytes, for verbs that write it back changed.</summary>
internal sealed class OpenedArtifact : IDisposable
{
    private readonly string _path;
    private readonly ArtifactOptions _options;

    private OpenedArtifact(string path, Artifact artifact, Stream content, Compression? compression, ArtifactOptions options)
    {
        _path = path;
        _options = options;
        Artifact = artifact;
        Content = content;
        Compression = compression;
    }

    /// <summary>What was decoded.</summary>
    public Artifact Artifact { get; }

    /// <summary>The bytes that it was decoded from: uncompressed, seekable.</summary>
    public Stream Content { get; }

    /// <summary>Where the content has stored bytes; null when nothing tells.</summary>
    public StoredRanges? Stored => OperatingSystem.IsLinux() && Content is FileStream file
        ? SparseFile.StoredRangesOf(file.SafeFileHandle) : null;

    /// <summary>How the file itself is compressed. What is written back is not.</summary>
    public Compression? Compression { get; }

    /// <summary>Its capture.</summary>
    /// <exception cref="UsageException">It holds none.</exception>
    public Capture Capture => Artifact.Capture ?? throw new UsageException($"{_path} is {Artifact.Format}, which holds no extended state");

    /// <summary>Opens a file, or standard input for <c>-</c>.</summary>
    public static OpenedArtifact Open(string path, string? format)
    {
        ArtifactOptions options = ArtifactInput.Options(format);
        if (LiveArgument.Open(path) is { } live)
        {
            return new OpenedArtifact(path, live, Stream.Null, null, options);
        }

        if (ArtifactInput.OpenDirectory(path, format) is { } images)
        {
            return new OpenedArtifact(path, images, Stream.Null, null, options);
        }

        Stream file = ArtifactInput.OpenStream(path);
        Stream? content = null;
        try
        {
            Compression? compression = file.CanSeek ? ArtifactContent.Recognize(file) : null;
            content = ArtifactContent.Open(file, options);
            return new OpenedArtifact(path, Artifact.Open(content, options), content, compression, options);
        }
        catch
        {
            content?.Dispose();
            file.Dispose();
            throw;
        }
        finally
        {
            if (content is not null && !ReferenceEquals(content, file))
            {
                file.Dispose();
            }
        }
    }

    /// <summary>Refuses what has no bytes to write back, changed or as they are: a directory, a running process.</summary>
    /// <exception cref="UsageException">It is one.</exception>
    public void RequireFile()
    {
        if (Artifact.Format == CriuImages.Format)
        {
            throw new UsageException($"{_path} is a directory: change the image of one thread, {Path.Combine(_path, "core-N.img")}");
        }

        if (ReferenceEquals(Content, Stream.Null))
        {
            throw new UsageException(
                $"{_path} is a running process, which is no file to write back; check rehearses it, set changes it, convert writes its "
                + "registers");
        }
    }

    /// <summary>The changes that make the file hold a changed capture.</summary>
    /// <exception cref="UsageException">The format cannot take them.</exception>
    public ImmutableArray<ArtifactPatch> Encode(Capture changed)
    {
        RequireFile();
        try
        {
            return Artifact.Encode(changed, Content, _options);
        }
        catch (NotSupportedException error)
        {
            throw new UsageException($"{_path}: {error.Message}");
        }
    }

    public void Dispose() => Content.Dispose();
}
