namespace Xstate.Cli.Input.Parquet;

/// <summary>The bytes end within a value. Where more of them can be had, it is read again.</summary>
internal sealed class ThriftEndException(long offset) : Exception
{
    /// <summary>Where more was expected.</summary>
    public long Offset { get; } = offset;
}
