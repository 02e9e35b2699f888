using Xstate.Artifacts;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>A file to damage.</summary>
/// <param name="Name">Its name, for messages.</param>
/// <param name="Format">Its format; null for one that no decoder takes.</param>
/// <param name="Bytes">Its bytes, compressed or not.</param>
internal sealed record MutationSample(string Name, string? Format, byte[] Bytes)
{
    // Copies cost what a file is long; below this, decoding costs more.
    private const int FairLength = 1 << 14;
    private const int Weights = 1 << 20;

    // Nearly all damage to a compressed file is found by whoever decompresses it.
    private const int PackedShare = 8;

    /// <summary>How the samples are counted and chosen.</summary>
    public string Group => Format ?? "none";

    /// <summary>
    /// Mends what would otherwise stop a decoder at the door, such as a length of everything; null when there is no such thing.
    /// </summary>
    public Func<byte[], byte[]>? Mend { get; init; }

    /// <summary>How often it is chosen among those of its format: a large file gets as much time as a small one, and not more.</summary>
    public int Weight { get; } = Math.Max(1,
        Weights / Math.Max(FairLength, Bytes.Length) / (ArtifactContent.Recognize(new MemoryStream(Bytes)) is null ? 1 : PackedShare));
}
