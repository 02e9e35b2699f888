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
    private readonly ArtifactFile? _file;

    private OpenedArtifact(string path, Artifact artifact, ArtifactFile? file)
    {
        _path = path;
        _file = file;
        Artifact = artifact;
    }

    /// <summary>What was decoded.</summary>
    public Artifact Artifact { get; }

    /// <summary>The bytes that it was decoded from: uncompressed, seekable.</summary>
    public Stream Content => _file?.Content ?? Stream.Null;

    /// <summary>Where the content has stored bytes; null when nothing tells.</summary>
    public StoredRanges? Stored => OperatingSystem.IsLinux() && Content is FileStream file
        ? SparseFile.StoredRangesOf(file.SafeFileHandle) : null;

    /// <summary>What the file itself is when the content is inside of it; null when it is the content.</summary>
    public string? Wrapping => _file?.Wrapping;

    /// <summary>Its capture.</summary>
    /// <exception cref="UsageException">It holds none.</exception>
    public Capture Capture => Artifact.Capture ?? throw new UsageException($"{_path} is {Artifact.Format}, which holds no extended state");

    /// <summary>Opens a file, or standard input for <c>-</c>.</summary>
    public static OpenedArtifact Open(string path, string? format)
    {
        if ((LiveArgument.Open(path) ?? ArtifactInput.OpenDirectory(path, format)) is { } withoutBytes)
        {
            return new OpenedArtifact(path, withoutBytes, file: null);
        }

        ArtifactFile file = ArtifactFile.Open(ArtifactInput.OpenStream(path), ArtifactInput.Options(format));
        return new OpenedArtifact(path, file.Artifact, file);
    }

    /// <summary>Refuses what has no bytes to write back, changed or as they are: a directory, a running process.</summary>
    /// <exception cref="UsageException">It is one.</exception>
    public void RequireFile()
    {
        if (Artifact.Format == CriuImages.Format)
        {
            throw new UsageException($"{_path} is a directory: change the image of one thread, {Path.Combine(_path, "core-N.img")}");
        }

        if (_file is null)
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
            return _file!.EncodeAll(changed);
        }
        catch (NotSupportedException error)
        {
            throw new UsageException($"{_path}: {error.Message}");
        }
    }

    /// <summary>Writes the record that leads from what was written back to the file.</summary>
    public void WriteUndo(Stream written, Stream undo)
    {
        RequireFile();
        _file!.WriteUndo(written, undo);
    }

    public void Dispose() => _file?.Dispose();
}
