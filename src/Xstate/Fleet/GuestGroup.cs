using System.Collections.Immutable;

namespace Xstate.Fleet;

/// <summary>Guests of one class that run on hosts of one class.</summary>
/// <param name="Guest">Their class.</param>
/// <param name="Home">The class of hosts that they run on; null when that is not known.</param>
internal sealed record GuestGroup(GuestClass Guest, HostClass? Home)
{
    /// <summary>How many.</summary>
    public long Count { get; init; }

    /// <summary>The first of them by name.</summary>
    public ImmutableArray<string> Names { get; init; } = [];

    /// <summary>Whether another host of a class can take one of them: their own host does not count.</summary>
    public bool CanGoTo(HostClass target)
    {
        ArgumentNullException.ThrowIfNull(target);
        return target.Id != Home?.Id || target.Hosts.Length > 1;
    }
}
