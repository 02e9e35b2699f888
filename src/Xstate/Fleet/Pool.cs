using System.Collections.Immutable;
using Xstate.Hypervisors;

namespace Xstate.Fleet;

/// <summary>
/// Hosts and the guests on them as classes, and what follows: who can go where, what all can have, what each host costs, who is pinned.
/// Each guest's class is rehearsed once on each class of hosts; nothing is asked of pairs of hosts or guests.
/// </summary>
internal sealed class Pool
{
    private readonly ImmutableArray<ImmutableArray<MoveOutcome>> _outcomes;
    private readonly Moves _moves;

    internal Pool(
        ImmutableArray<HostClass> classes, ImmutableArray<GuestClass> guests, ImmutableArray<GuestGroup> groups, Moves moves,
        ImmutableArray<ImmutableArray<MoveOutcome>>? outcomes = null)
    {
        Classes = classes;
        Guests = guests;
        Groups = groups;
        _moves = moves;
        _outcomes = outcomes ?? moves.Of(guests, [.. classes.Select(one => one.Host)]);
        HostCount = classes.Sum(one => one.Hosts.Length);
        Common = classes.AsEnumerable().Select(one => one.Offer).Aggregate((one, other) => one.And(other));
        Costs = [.. PoolCost.Of(classes, HostCount)];
        Matrix = [.. MatrixOf()];
        Pinned = [.. groups.Select(PinnedOf).OfType<PinnedGuests>()];
    }

    /// <summary>The classes of hosts, in the order of their first hosts.</summary>
    public ImmutableArray<HostClass> Classes { get; }

    /// <summary>How many hosts there are.</summary>
    public int HostCount { get; }

    /// <summary>The classes of guests. Where no guest was given, the fullest guest of each class of hosts.</summary>
    public ImmutableArray<GuestClass> Guests { get; }

    /// <summary>The guests by their class and that of their hosts.</summary>
    public ImmutableArray<GuestGroup> Groups { get; }

    /// <summary>Captures that were given one by one.</summary>
    public ImmutableArray<PoolCapture> Captures { get; internal init; } = [];

    /// <summary>
    /// What becomes of each class of guests on each class of hosts with the kernel of an upgrade, where shards have rehearsed it; empty
    /// where it is rehearsed when it is asked for.
    /// </summary>
    internal ImmutableArray<ImmutableArray<MoveOutcome>> Upgraded { get; init; } = [];

    /// <summary>What every host can give guests.</summary>
    public OfferRange Common { get; }

    /// <summary>What hosts cost.</summary>
    public ImmutableArray<PoolCost> Costs { get; }

    /// <summary>Who can go where, from each class of hosts to each.</summary>
    public ImmutableArray<PoolMove> Matrix { get; }

    /// <summary>Guests that no other host takes.</summary>
    public ImmutableArray<PinnedGuests> Pinned { get; }

    /// <summary>How many restores were rehearsed.</summary>
    public long Rehearsed => _moves.Count;

    /// <summary>What becomes of guests of a class on hosts of a class.</summary>
    public MoveOutcome Outcome(GuestClass guest, HostClass target)
    {
        ArgumentNullException.ThrowIfNull(guest);
        ArgumentNullException.ThrowIfNull(target);
        return _outcomes[guest.Id][target.Id];
    }

    /// <summary>The order in which hosts can get another kernel without stranding a guest.</summary>
    public UpgradePlan PlanUpgrade(KernelBehavior kernel) => new PoolUpgrades(this, kernel, _moves).Plan();

    /// <summary>Changes that free pinned guests, and hosts that cost something: the best first.</summary>
    /// <param name="kernel">A kernel that hosts could get, or null.</param>
    public ImmutableArray<PoolChange> Changes(KernelBehavior? kernel = null) =>
        PoolChanges.Of(this, kernel is null ? null : new PoolUpgrades(this, kernel, _moves), _moves);

    private IEnumerable<PoolMove> MatrixOf()
    {
        ILookup<int, GuestGroup> living = Groups.Where(group => group.Home is not null).ToLookup(group => group.Home!.Id);
        foreach (HostClass from in Classes)
        {
            GuestGroup[] groups = [.. living[from.Id]];
            bool isFullest = groups.Length == 0 || Array.TrueForAll(groups, group => group.Count == 0);
            GuestClass[] moved = groups.Length > 0 ? [.. groups.Select(group => group.Guest)] : [FullestOf(from)];
            foreach (HostClass to in Classes)
            {
                MoveOutcome outcome = moved.Select(guest => guest.Id >= 0 ? Outcome(guest, to) : _moves.Of(guest, to.Host))
                    .Aggregate((one, other) => one.Worst(other));
                yield return new PoolMove(from, to, outcome, isFullest);
            }
        }
    }

    // Not one of the pool's own guests.
    private static GuestClass FullestOf(HostClass from) =>
        new(-1, FullestGuest.Of(from.Host, out bool isComplete)) { IsComplete = isComplete };

    private PinnedGuests? PinnedOf(GuestGroup group)
    {
        HostClass[] others = [.. Classes.Where(group.CanGoTo)];
        if (Array.Exists(others, one => Outcome(group.Guest, one).Fits))
        {
            return null;
        }

        bool isCertain = !Array.Exists(others, one => Outcome(group.Guest, one).MayFit);
        MoveOutcome? nearest = others.Select(one => Outcome(group.Guest, one)).OrderBy(outcome => outcome.Verdict)
            .ThenBy(outcome => outcome.Components.Count).ThenBy(outcome => outcome.Features.Length).FirstOrDefault();
        return new PinnedGuests(group, isCertain)
        {
            Components = nearest?.Components ?? default,
            Features = nearest?.Features ?? [],
            Differences = nearest?.Differences ?? [],
            Rules = nearest?.Rules ?? [],
        };
    }
}
