namespace Xstate.Cli.Input.Parquet;

/// <summary>How pages are compressed.</summary>
internal enum ParquetCodec
{
    Uncompressed = 0,
    Snappy = 1,
    Gzip = 2,
    Zstd = 6,
    Lz4Raw = 7,
}
