using Xstate.Artifacts;

namespace Xstate.Cli.Input.Parquet;

/// <summary>
/// Numbers of the Parquet format (github.com/apache/parquet-format, parquet.thrift), and the limits of what is read of it.
/// </summary>
internal static class ParquetFormat
{
    public const string Name = "parquet";

    // Behind the metadata: its length, and the magic again.
    public const int TailLength = 8;

    public const int MaxFooter = 64 << 20;
    public const int MaxPage = 64 << 20;
    public const int MaxPageHeader = 1 << 20;
    public const int MaxNodes = 1_000;
    public const int MaxRowGroups = 1 << 20;

    /// <summary>What a file begins and ends with.</summary>
    public static ReadOnlySpan<byte> Magic => "PAR1"u8;

    /// <summary>The bytes are not what the format says.</summary>
    public static MalformedArtifactException Malformed(long offset, string found, string expected) => new(Name, offset, found, expected);
}
