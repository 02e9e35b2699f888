namespace Xstate.Captures;

/// <summary>How a fact became known, from strongest to weakest.</summary>
public enum FactSource
{
    /// <summary>Read from the artifact itself.</summary>
    Artifact,

    /// <summary>Read from CPUID leaf 0xD of the machine that wrote the state.</summary>
    Cpuid,

    /// <summary>Read from a layout note inside the artifact (NT_X86_XSAVE_LAYOUT).</summary>
    Note,

    /// <summary>Measured on the live machine.</summary>
    Measured,

    /// <summary>Given by the user.</summary>
    Given,

    /// <summary>Follows from other facts without doubt.</summary>
    Inferred,

    /// <summary>A guess, said aloud wherever it is used.</summary>
    Guess,
}

/// <summary>Where a fact came from.</summary>
/// <param name="Source">The kind of source.</param>
/// <param name="Detail">The source itself: a file name, a note, a rule.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Provenance(FactSource Source, string Detail);

/// <summary>A value together with where it came from.</summary>
/// <param name="Value">The value.</param>
/// <param name="Provenance">Its origin.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Fact<T>(T Value, Provenance Provenance)
{
    /// <summary>A fact from one source.</summary>
    public Fact(T value, FactSource source, string detail)
        : this(value, new Provenance(source, detail))
    {
    }
}
