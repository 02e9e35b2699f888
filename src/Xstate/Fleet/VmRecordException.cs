namespace Xstate.Fleet;

/// <summary>A line of VM records is not what it should be.</summary>
/// <param name="line">Its number, from 1.</param>
/// <param name="message">What is wrong with it.</param>
internal sealed class VmRecordException(long line, string message) : FormatException(FormattableString.Invariant($"line {line}: {message}"))
{
    /// <summary>The line's number, from 1.</summary>
    public long Line { get; } = line;
}
