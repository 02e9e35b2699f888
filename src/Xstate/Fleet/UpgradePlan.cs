using System.Collections.Immutable;

namespace Xstate.Fleet;

/// <summary>What was found out of an order of kernel upgrades.</summary>
internal enum UpgradeAnswer
{
    /// <summary>There is an order that strands nobody, whatever is not known.</summary>
    Order,

    /// <summary>There is one if what is not known turns out well; for sure there is none.</summary>
    Unknown,

    /// <summary>There is none: all orders were tried.</summary>
    None,

    /// <summary>None was found, and not all orders were tried.</summary>
    NotFound,
}

/// <summary>
/// An order in which classes of hosts get another kernel, one class at a time, so that no guest is stranded in between: some host but its
/// own always takes it.
/// </summary>
/// <param name="Kernel">The kernel.</param>
/// <param name="Answer">Whether there is an order.</param>
/// <param name="Steps">The classes in their order; empty when there is none.</param>
internal sealed record UpgradePlan(string Kernel, UpgradeAnswer Answer, ImmutableArray<HostClass> Steps)
{
    /// <summary>Whether all orders were tried, so that none that is shorter or safer was overlooked.</summary>
    public bool IsExact { get; init; }

    /// <summary>Sets of upgraded classes that were looked at.</summary>
    public long Looked { get; init; }

    /// <summary>
    /// Where every order ends: the sets of upgraded classes that can be reached and from which each further class strands somebody.
    /// </summary>
    public ImmutableArray<UpgradeObstacle> Obstacles { get; init; } = [];

    /// <summary>Classes for which nothing changes with the kernel.</summary>
    public ImmutableArray<HostClass> Unchanged { get; init; } = [];

    /// <summary>Groups that are pinned before the first upgrade, so that no order can strand them.</summary>
    public int Pinned { get; init; }

    /// <summary>Hosts that get the kernel.</summary>
    public int Touches => Steps.Sum(step => step.Hosts.Length);
}

/// <summary>An upgrade that strands guests.</summary>
/// <param name="Upgraded">The classes that have the kernel before it.</param>
/// <param name="Next">The class that would get it.</param>
/// <param name="Strands">Who would have nowhere to go.</param>
internal sealed record UpgradeObstacle(ImmutableArray<HostClass> Upgraded, HostClass Next, ImmutableArray<GuestGroup> Strands);
