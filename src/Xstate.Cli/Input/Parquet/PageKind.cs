namespace Xstate.Cli.Input.Parquet;

/// <summary>What a page holds.</summary>
internal enum PageKind
{
    Data = 0,
    Index = 1,
    Dictionary = 2,
    DataV2 = 3,
}
