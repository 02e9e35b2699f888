using System.Collections.Immutable;

namespace Xstate.Cli.Input.Parquet;

/// <summary>A group of rows.</summary>
/// <param name="Rows">How many.</param>
/// <param name="Chunks">Of each column its part.</param>
internal sealed record ParquetRowGroup(long Rows, ImmutableArray<ParquetChunk> Chunks);
