namespace Xstate.Cli.Input.Parquet;

/// <summary>How values are stored; of the eight types those that records can have.</summary>
internal enum ParquetType
{
    Int32 = 1,
    Int64 = 2,
    ByteArray = 6,
}
