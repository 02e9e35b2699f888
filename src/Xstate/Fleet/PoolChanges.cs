using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Lint;

namespace Xstate.Fleet;

/// <summary>Tries single changes: each is rehearsed as if it were made.</summary>
internal static class PoolChanges
{
    /// <summary>Pinned groups for which hiding is tried; the largest first.</summary>
    private const int MaxTried = 64;

    public static ImmutableArray<PoolChange> Of(Pool pool, PoolUpgrades? upgrades, Moves moves)
    {
        PoolChange[] hidings = [.. Hide(pool, moves)];
        List<PoolChange> changes = [.. hidings.Where(one => !Array.Exists(hidings, other => other != one && IsBetter(other, one)))];
        if (upgrades is not null)
        {
            changes.AddRange(Upgrade(pool, upgrades));
        }

        changes.AddRange(pool.Costs.Where(cost => cost.IsCertain)
            .Select(cost => new PoolChange(PoolChangeKind.Retire, cost.Class, cost.Class.Hosts.Length, 0, 0) { Offer = cost.Offer }));
        return [.. changes.OrderByDescending(change => change.Frees).ThenByDescending(change => change.MayFree)
            .ThenBy(change => change.Touches).ThenBy(change => change.Kind).ThenBy(change => change.Class.Id)];
    }

    // Hides less of the same guests and frees as many.
    private static bool IsBetter(PoolChange one, PoolChange other) =>
        one.Class.Id == other.Class.Id && one.Frees >= other.Frees && one.MayFree >= other.MayFree && one.Offer.IsWithin(other.Offer);

    private static long Weight(GuestGroup group) => Math.Max(group.Count, 1);

    // The guests of a class start anew without what some other class lacks.
    private static IEnumerable<PoolChange> Hide(Pool pool, Moves moves)
    {
        HashSet<(int Class, string Hidden)> tried = [];
        foreach (PinnedGuests pinned in pool.Pinned.Where(pinned => pinned.Group.Home is not null)
            .OrderByDescending(pinned => pinned.Group.Count).Take(MaxTried))
        {
            HostClass home = pinned.Group.Home!;
            PinnedGuests[] there = [.. pool.Pinned.Where(other => other.Group.Home?.Id == home.Id)];
            foreach (HostClass target in pool.Classes.Where(one => one.Id != home.Id))
            {
                GuestOffer hidden = home.Offer.Upper.Except(target.Offer.Lower);
                if (hidden.IsEmpty || !tried.Add((home.Id, $"{hidden.Xcr0}{hidden.Xss}{string.Join(',', hidden.FeatureNames)}")))
                {
                    continue;
                }

                GuestClass narrowed = Narrowed(home.Host, hidden);
                GuestGroup group = pinned.Group with { Guest = narrowed };
                MoveOutcome[] outcomes = [.. pool.Classes.Where(group.CanGoTo).Select(one => moves.Of(narrowed, one.Host))];
                long guests = there.Sum(other => Weight(other.Group));
                if (Array.Exists(outcomes, outcome => outcome.MayFit))
                {
                    yield return new PoolChange(PoolChangeKind.Hide, home, guests, Array.Exists(outcomes, outcome => outcome.Fits)
                        ? guests : 0, guests)
                    { Offer = hidden };
                }
            }
        }
    }

    // The fullest guest with what is left: no guest with that CPUID uses more.
    private static GuestClass Narrowed(LinuxHost host, GuestOffer hidden)
    {
        ImmutableArray<Capture> captures = KernelWorlds.Of(host, world => FullestGuest.Of(world, Without(world, hidden)),
            out bool isComplete);
        return new GuestClass(-1, [.. captures.DistinctBy(GuestKey.Of)]) { IsComplete = isComplete };
    }

    internal static CpuidTable Without(LinuxHost host, GuestOffer hidden)
    {
        CpuidTable offered = host.KvmCpuid;
        CpuidWish wish = new()
        {
            Components = (offered.UserComponents | offered.SupervisorComponents).Except(hidden.Xcr0 | hidden.Xss),
            Without = [.. hidden.Features.Where(offered.Has)],
            Xcr0 = offered.UserComponents,
        };
        return CpuidMaker.Make(offered, wish).Cpuid;
    }

    private static IEnumerable<PoolChange> Upgrade(Pool pool, PoolUpgrades upgrades)
    {
        foreach (HostClass one in upgrades.Changed)
        {
            PinnedGuests[] there = [.. pool.Pinned.Where(pinned => pinned.Group.CanGoTo(one))];
            long frees = there.Where(pinned => upgrades.After(pinned.Group.Guest, one).Fits).Sum(pinned => Weight(pinned.Group));
            long may = there.Where(pinned => upgrades.After(pinned.Group.Guest, one).MayFit).Sum(pinned => Weight(pinned.Group));
            if (may > 0)
            {
                yield return new PoolChange(PoolChangeKind.Upgrade, one, one.Hosts.Length, frees, may) { Kernel = upgrades.Kernel };
            }
        }
    }
}
