using System.Collections.Immutable;

namespace Xstate.Reports;

/// <summary>What was found wrong with a file of VM records: its first lines that are none, and how many there are.</summary>
/// <param name="Name">FILE as it was given.</param>
internal sealed record RecordFile(string Name)
{
    /// <summary>Lines that are told one by one.</summary>
    public const int MaxTold = 10;

    // As any input that is not what it should be.
    private const int Unreadable = 3;

    /// <summary>Lines that were read, those of other shards among them.</summary>
    public long Lines { get; init; }

    /// <summary>Lines that are no records.</summary>
    public long Bad { get; init; }

    /// <summary>The first of them, with what is wrong.</summary>
    public ImmutableArray<(long Line, string Message)> Told { get; init; } = [];

    /// <summary>Why reading ended early; null when it did not.</summary>
    public string? Failure { get; init; }

    /// <summary>The same with one more line that is no record.</summary>
    public RecordFile With(long line, string message) =>
        this with { Bad = Bad + 1, Told = Told.Length < MaxTold ? Told.Add((line, message)) : Told };

    /// <summary>What all shards found wrong with a file.</summary>
    public RecordFile And(RecordFile other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return this with { Bad = Bad + other.Bad, Told = [.. Told.Concat(other.Told).OrderBy(told => told.Line).Take(MaxTold)] };
    }

    /// <summary>What an answer says of it.</summary>
    public IEnumerable<UnreadInput> Unread
    {
        get
        {
            foreach ((_, string message) in Told)
            {
                yield return new UnreadInput(Name, Unreadable, message);
            }

            if (Failure is not null)
            {
                yield return new UnreadInput(Name, Unreadable, Failure);
            }

            if (Bad > Told.Length)
            {
                yield return new UnreadInput(Name, Unreadable, $"{Bad - Told.Length} more lines are no records");
            }
        }
    }
}
