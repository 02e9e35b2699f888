namespace Xstate.Artifacts;

/// <summary>How to open an artifact.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record ArtifactOptions
{
    /// <summary>The defaults.</summary>
    public static ArtifactOptions Default { get; } = new();

    /// <summary>
    /// The name of a format of <see cref="Artifact.Formats"/> that the caller knows the file to have; null to recognise it from the bytes.
    /// </summary>
    public string? Format { get; init; }

    /// <summary>Ceilings for what the file controls.</summary>
    public ArtifactLimits Limits { get; init; } = ArtifactLimits.Default;

    /// <summary>Decompresses what the library, which has no dependencies, cannot: everything but gzip. Null when nothing does.</summary>
    public Decompressor? Decompressor { get; init; }
}
