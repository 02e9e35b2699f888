namespace Xstate.Artifacts;

/// <summary>Whether the bytes at the start of a file and its length fit a format.</summary>
/// <param name="head">The first bytes, up to 64 KiB.</param>
/// <param name="length">Length of the whole file.</param>
internal delegate bool ArtifactRecognizer(ReadOnlySpan<byte> head, long length);

/// <summary>Reads a whole file of one format.</summary>
internal delegate Artifact ArtifactReader(ReadOnlyMemory<byte> bytes, ArtifactLimits limits);

/// <summary>One row of the table of formats: how to recognise it and how to read it.</summary>
public sealed record ArtifactFormat
{
    internal ArtifactFormat(string name, string description, ArtifactRecognizer recognizes, ArtifactReader read)
    {
        Name = name;
        Description = description;
        Recognizes = recognizes;
        Read = read;
    }

    /// <summary>The name, as options and messages have it.</summary>
    public string Name { get; }

    /// <summary>One line for people.</summary>
    public string Description { get; }

    internal ArtifactRecognizer Recognizes { get; }

    internal ArtifactReader Read { get; }
}
