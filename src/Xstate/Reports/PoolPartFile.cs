using System.Collections.Immutable;
using Xstate.Fleet;

namespace Xstate.Reports;

/// <summary>A part of a pool as <c>pool --shard</c> writes it: what was found out, and what could not be read.</summary>
/// <param name="Part">What was found out.</param>
internal sealed record PoolPartFile(PoolPart Part)
{
    /// <summary>The format's name.</summary>
    public const string Format = "xstate-pool-part";

    /// <summary>A text in which all that is given and all names of inputs show; equal in all parts.</summary>
    public required string Inputs { get; init; }

    /// <summary>HOSTs that could not be read; equal in all parts.</summary>
    public ImmutableArray<UnreadInput> UnreadHosts { get; init; } = [];

    /// <summary>Captures of this share that could not be read, with their places.</summary>
    public ImmutableArray<(long Place, UnreadInput Input)> UnreadCaptures { get; init; } = [];

    /// <summary>The files of VM records, with what is wrong with the lines of this share.</summary>
    public ImmutableArray<RecordFile> Records { get; init; } = [];

    /// <summary>Why parts do not belong together, beyond what <see cref="PoolMerge.FindObstacle"/> looks at; null when they do.</summary>
    public static string? FindObstacle(IReadOnlyList<PoolPartFile> parts, Func<int, string> nameOf)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(nameOf);
        for (int i = 1; i < parts.Count; i++)
        {
            if (parts[i].Inputs != parts[0].Inputs || !parts[i].UnreadHosts.SequenceEqual(parts[0].UnreadHosts))
            {
                return $"{nameOf(i)} and {nameOf(0)} are about different inputs: "
                    + "give each shard the same command line but for --shard and -o";
            }

            foreach ((RecordFile one, RecordFile first) in parts[i].Records.Zip(parts[0].Records))
            {
                if (one.Lines != first.Lines || one.Failure != first.Failure)
                {
                    return $"{nameOf(i)} read {one.Lines} lines of {one.Name}, and {nameOf(0)} read {first.Lines}: "
                        + "it has changed between them";
                }
            }
        }

        return null;
    }

    /// <summary>What no shard could read, in the order of the inputs.</summary>
    public static IReadOnlyList<UnreadInput> UnreadOf(IReadOnlyList<PoolPartFile> parts)
    {
        ArgumentNullException.ThrowIfNull(parts);
        return
        [
            .. parts.SelectMany(part => part.UnreadCaptures).OrderBy(capture => capture.Place).Select(capture => capture.Input),
            .. parts[0].Records.SelectMany((_, i) =>
                parts.Select(part => part.Records[i]).Aggregate((one, other) => one.And(other)).Unread),
        ];
    }
}
