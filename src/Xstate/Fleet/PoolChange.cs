namespace Xstate.Fleet;

/// <summary>One change of a pool and what it is good for.</summary>
/// <param name="Kind">What is done.</param>
/// <param name="Class">The class of hosts, or of the hosts whose guests, it is done to.</param>
/// <param name="Touches">How many hosts are touched, or guests started anew.</param>
/// <param name="Frees">How many pinned guests can go elsewhere afterwards, for sure.</param>
/// <param name="MayFree">How many may be able to.</param>
internal sealed record PoolChange(PoolChangeKind Kind, HostClass Class, long Touches, long Frees, long MayFree)
{
    /// <summary>What is hidden, or what the pool gains for guests that start anew.</summary>
    public GuestOffer Offer { get; init; } = GuestOffer.None;

    /// <summary>The kernel of an upgrade.</summary>
    public string? Kernel { get; init; }
}

/// <summary>Kinds of changes.</summary>
internal enum PoolChangeKind
{
    /// <summary>Guests start anew without components and features.</summary>
    Hide,

    /// <summary>Hosts get another kernel.</summary>
    Upgrade,

    /// <summary>Hosts leave the pool.</summary>
    Retire,
}
