using System.Collections.Immutable;
using Xstate.Artifacts.UndoFile;
using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>
/// An artifact together with the bytes that it was read from, so that a changed capture can be written in the same format: only the bytes
/// of the change differ, and an undo record leads back to the original.
/// </summary>
/// <threadsafety>One thread at a time: it reads from one stream.</threadsafety>
public sealed class ArtifactFile : IDisposable
{
    private readonly ArtifactOptions _options;

    private ArtifactFile(Artifact artifact, Stream content, string? wrapping, ArtifactOptions options)
    {
        Artifact = artifact;
        Content = content;
        Wrapping = wrapping;
        _options = options;
    }

    /// <summary>What was read.</summary>
    public Artifact Artifact { get; }

    /// <summary>
    /// What the file itself is, such as <c>compressed (Gzip)</c> or <c>a hexdump</c>, when the content is inside of it; null when it is the
    /// content. What is written is the content.
    /// </summary>
    public string? Wrapping { get; }

    /// <summary>The bytes that the artifact was read from: as they are, seekable.</summary>
    internal Stream Content { get; }

    /// <summary>Opens and reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="options">A format to take for granted, limits, and what decompresses.</param>
    /// <exception cref="IOException">The file cannot be read.</exception>
    /// <exception cref="MalformedArtifactException">No format fits, the bytes are not what the format says, or a limit is
    /// exceeded.</exception>
    public static ArtifactFile Open(string path, ArtifactOptions? options = null) => Open(File.OpenRead(path), options);

    /// <summary>Reads a stream from its current position to its end, and keeps it.</summary>
    /// <param name="stream">Any readable stream; it is closed with this object, or at once when it cannot be read as an artifact.</param>
    /// <param name="options">A format to take for granted, limits, and what decompresses.</param>
    /// <exception cref="MalformedArtifactException">No format fits, the bytes are not what the format says, or a limit is
    /// exceeded.</exception>
    public static ArtifactFile Open(Stream stream, ArtifactOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(stream);
        options ??= ArtifactOptions.Default;
        Stream? content = null;
        try
        {
            string? wrapping = stream.CanSeek ? WrappingOf(stream) : null;
            content = ArtifactContent.Open(stream, options);
            ArtifactFile file = new(Artifact.Open(content, options), content, wrapping, options);
            if (!ReferenceEquals(content, stream))
            {
                stream.Dispose();
            }

            return file;
        }
        catch
        {
            content?.Dispose();
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Writes the file with a changed capture in it, uncompressed; with the unchanged one, the bytes as they were.</summary>
    /// <param name="changed">The artifact's capture with changed states: the same ones, in the same order.</param>
    /// <param name="output">Where to write, from its current position on.</param>
    /// <exception cref="NotSupportedException">The format cannot be written, or has no place for the change.</exception>
    public void Write(Capture changed, Stream output)
    {
        ArgumentNullException.ThrowIfNull(output);
        PatchedCopy.Write(Content, EncodeAll(changed), output);
    }

    /// <summary>Writes the record that leads from what <see cref="Write"/> wrote back to the original.</summary>
    /// <param name="written">What was written, from its beginning; it must be seekable.</param>
    /// <param name="undo">Receives the record. It holds bytes of the original: keep it as secret as that.</param>
    public void WriteUndo(Stream written, Stream undo)
    {
        ArgumentNullException.ThrowIfNull(written);
        ArgumentNullException.ThrowIfNull(undo);
        Content.Position = 0;
        written.Position = 0;
        undo.Write(UndoFileWriter.Write(UndoRecord.Create(Content, written)));
    }

    /// <summary>Writes the original again. What was written counts only when this returns.</summary>
    /// <param name="record">What <see cref="WriteUndo"/> wrote.</param>
    /// <param name="written">What <see cref="Write"/> wrote.</param>
    /// <param name="original">Receives the original.</param>
    /// <exception cref="MalformedArtifactException">The record is none, or is not one of these bytes.</exception>
    public static void Undo(Stream record, Stream written, Stream original)
    {
        ArtifactLimits limits = ArtifactLimits.Default;
        UndoFileReader.Read(WholeFile.Read(record, limits.MaxWholeFile).Span, limits).Apply(written, original);
    }

    /// <inheritdoc/>
    public void Dispose() => Content.Dispose();

    /// <summary>The changes to the file's bytes that make it hold a changed capture; none for the one that was read.</summary>
    /// <exception cref="NotSupportedException">The format cannot be written, or has no place for the change.</exception>
    internal ImmutableArray<ArtifactPatch> Encode(Capture changed) =>
        ReferenceEquals(changed, Artifact.Capture) ? [] : Artifact.Encode(changed, Content, _options);

    /// <summary>As <see cref="Encode"/>, of a change to MSRs too, which not every format that has them can write.</summary>
    /// <exception cref="NotSupportedException">The format cannot be written, or has no place for the change.</exception>
    internal ImmutableArray<ArtifactPatch> EncodeAll(Capture changed)
    {
        ImmutableArray<ArtifactPatch> patches = Encode(changed);
        if (Artifact.Capture is not { } original || changed.States.Zip(original.States).All(pair => HasSameMsrs(pair.First, pair.Second)))
        {
            return patches;
        }

        Capture withoutMsrs = changed with
        {
            States = [.. changed.States.Zip(original.States, (state, read) => state with { Msrs = read.Msrs })],
        };
        return !IsSame(patches, Encode(withoutMsrs)) ? patches
            : throw new NotSupportedException($"the registers of a {Artifact.Format} that lie outside the area are not written");
    }

    private static string? WrappingOf(Stream file) => ArtifactContent.Recognize(file) is { } compression ? $"compressed ({compression})"
        : ArtifactContent.IsHexdump(file) ? "a hexdump" : null;

    private static bool HasSameMsrs(CapturedState one, CapturedState other) =>
        ReferenceEquals(one.Msrs, other.Msrs) || one.Msrs.SequenceEqual(other.Msrs);

    private static bool IsSame(ImmutableArray<ArtifactPatch> one, ImmutableArray<ArtifactPatch> other) =>
        one.Length == other.Length
        && one.Zip(other).All(pair => pair.First.Offset == pair.Second.Offset
            && pair.First.Replacement.Span.SequenceEqual(pair.Second.Replacement.Span));
}
