using System.Text.Json;
using Parquet;
using Parquet.Serialization;

namespace Xstate.Cli.Tests;

/// <summary>VM records as Parquet files, written by Parquet.Net: a second opinion on the format.</summary>
internal static class ParquetSamples
{
    /// <summary>Writes JSON Lines as rows.</summary>
    public static async Task Write(string path, IEnumerable<string> lines, CompressionMethod compression, int rowsOfGroup)
    {
        List<VmRow> rows = [.. lines.Select(line => JsonSerializer.Deserialize<VmRow>(line)!)];
        ParquetOptions options = new() { CompressionMethod = compression, RowGroupSize = rowsOfGroup };
        await using FileStream file = File.Create(path);
        await ParquetSerializer.SerializeAsync(rows, file, options);
    }
}
