using Xstate.Captures;

namespace Xstate.Artifacts;

/// <summary>Whether the bytes fit a format. Looks at the head and the length, and elsewhere only where they already do.</summary>
internal delegate bool ArtifactRecognizer(ArtifactSource source);

/// <summary>Reads an artifact of one format.</summary>
internal delegate Artifact ArtifactReader(ArtifactSource source, ArtifactLimits limits);

/// <summary>One row of the table of formats: how to recognise it and how to read it.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
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

    /// <summary>The program whose own format of states it is; null when it belongs to none.</summary>
    public Vmm? Vmm { get; internal init; }

    internal ArtifactRecognizer Recognizes { get; }

    internal ArtifactReader Read { get; }
}
