namespace Xstate.Artifacts;

/// <summary>The bytes are not what their format says. Names the format, the offset, what was found and what was expected.</summary>
/// <threadsafety>Immutable.</threadsafety>
public sealed class MalformedArtifactException : Exception
{
    /// <summary>A malformed artifact.</summary>
    /// <param name="format">The format that was expected, such as <c>kvm_cpuid2</c>.</param>
    /// <param name="offset">Byte offset of what is wrong; for text, the offset of the line's first byte.</param>
    /// <param name="found">What is there.</param>
    /// <param name="expected">What the format asks for.</param>
    public MalformedArtifactException(string format, long offset, string found, string expected)
        : base($"{format}: at offset {offset} found {found}, expected {expected}")
    {
        Format = format;
        Offset = offset;
        Found = found;
        Expected = expected;
    }

    /// <summary>The format that was expected.</summary>
    public string Format { get; }

    /// <summary>Byte offset of what is wrong.</summary>
    public long Offset { get; }

    /// <summary>What is there.</summary>
    public string Found { get; }

    /// <summary>What the format asks for.</summary>
    public string Expected { get; }

    /// <summary>Whether the bytes are prose, which no format begins like: nothing damaged, but something else.</summary>
    internal bool IsOtherText { get; init; }
}
