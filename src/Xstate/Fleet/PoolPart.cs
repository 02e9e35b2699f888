using System.Collections.Immutable;

namespace Xstate.Fleet;

/// <summary>
/// What one shard found out: all hosts, and of its share of the guests the classes with their outcomes. Parts of all shards together have
/// what the pool of the whole fleet needs, without any guest's state.
/// </summary>
/// <param name="Shard">Which share it is.</param>
/// <param name="Classes">The classes of all hosts, equal in all parts.</param>
internal sealed record PoolPart(PoolShard Shard, ImmutableArray<HostClass> Classes)
{
    /// <summary>What was assumed of every restore, as one text; equal in all parts.</summary>
    public required string Options { get; init; }

    /// <summary>The kernel of <c>--upgrade-to</c>, if one was asked for; equal in all parts.</summary>
    public string? Upgrade { get; init; }

    /// <summary>The guests of this share.</summary>
    public required ImmutableArray<PartGuest> Guests { get; init; }

    /// <summary>Where they are.</summary>
    public required ImmutableArray<PartGroup> Groups { get; init; }

    /// <summary>The captures of this share.</summary>
    public ImmutableArray<PartCapture> Captures { get; init; } = [];

    /// <summary>Restores that were rehearsed for it.</summary>
    public long Rehearsed { get; init; }
}
