namespace Xstate.Cli.Input.Parquet;

/// <summary>The part of a column that belongs to a group of rows.</summary>
/// <param name="Start">Where its first page is in the file.</param>
/// <param name="Length">Bytes of all its pages.</param>
/// <param name="Values">Values of all its pages, those that are not there among them.</param>
/// <param name="Codec">How its pages are compressed.</param>
internal readonly record struct ParquetChunk(long Start, long Length, long Values, ParquetCodec Codec);
