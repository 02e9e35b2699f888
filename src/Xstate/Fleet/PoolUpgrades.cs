using System.Numerics;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;

namespace Xstate.Fleet;

/// <summary>The hosts of a pool with another kernel, and who can go to them.</summary>
internal sealed class PoolUpgrades
{
    private readonly Pool _pool;
    private readonly KernelBehavior _kernel;
    private readonly Moves _moves;
    private readonly Dictionary<int, LinuxHost> _changed;
    private readonly Dictionary<(int Guest, int Class), MoveOutcome> _after = [];

    public PoolUpgrades(Pool pool, KernelBehavior kernel, Moves moves)
    {
        _pool = pool;
        _kernel = kernel;
        _moves = moves;
        _changed = Change(pool.Classes, kernel);
    }

    /// <summary>The kernel's name.</summary>
    public string Kernel => _kernel.Reading.Name;

    /// <summary>Classes for which something changes.</summary>
    public IEnumerable<HostClass> Changed => _pool.Classes.Where(one => _changed.ContainsKey(one.Id));

    /// <summary>A host after an upgrade: what was measured under the old kernel does not hold any more.</summary>
    public static LinuxHost Upgrade(LinuxHost host, KernelBehavior kernel) => new(
        host.Record with { Probes = [], SupportedCpuid = null, Xcr0 = null, Xsave2Size = null },
        kernel.Set(KernelDifference.KvmPvmHostCpuid, host.Record.Flavour == KvmFlavour.Pvm));

    /// <summary>Hosts with another kernel, by their class; none where it changes nothing.</summary>
    public static Dictionary<int, LinuxHost> Change(IEnumerable<HostClass> classes, KernelBehavior kernel) =>
        classes.Select(one => (one.Id, Before: HostKey.Of(one.Host), After: Upgrade(one.Host, kernel)))
            .Where(one => HostKey.Of(one.After) != one.Before).ToDictionary(one => one.Id, one => one.After);

    /// <summary>What becomes of guests on a class with the new kernel.</summary>
    public MoveOutcome After(GuestClass guest, HostClass target)
    {
        if (!_changed.TryGetValue(target.Id, out LinuxHost? host))
        {
            return _pool.Outcome(guest, target);
        }

        if (!_pool.Upgraded.IsEmpty && guest.Id >= 0)
        {
            return _pool.Upgraded[guest.Id][target.Id];
        }

        if (!_after.TryGetValue((guest.Id, target.Id), out MoveOutcome? outcome))
        {
            outcome = _moves.Of(guest, host);
            _after.Add((guest.Id, target.Id), outcome);
        }

        return outcome;
    }

    /// <summary>The plan.</summary>
    public UpgradePlan Plan()
    {
        (UpgradePlanner.Search Search, int Pinned) certain = Find(outcome => outcome.Fits);
        HostClass[] changed = [.. Changed];
        UpgradePlan plan = ToPlan(certain.Search, changed, UpgradeAnswer.Order, certain.Pinned);
        if (plan.Answer == UpgradeAnswer.Order)
        {
            return plan;
        }

        (UpgradePlanner.Search Search, int Pinned) possible = Find(outcome => outcome.MayFit);
        UpgradePlan maybe = ToPlan(possible.Search, changed, UpgradeAnswer.Unknown, possible.Pinned);
        return maybe.Answer == UpgradeAnswer.Unknown ? maybe with { Obstacles = plan.Obstacles } : maybe;
    }

    private UpgradePlan ToPlan(UpgradePlanner.Search search, HostClass[] changed, UpgradeAnswer found, int pinned)
    {
        UpgradeAnswer answer = search.Order is not null ? found : search.IsExact ? UpgradeAnswer.None : UpgradeAnswer.NotFound;
        return new UpgradePlan(Kernel, answer, [.. (search.Order ?? []).Select(index => changed[index])])
        {
            IsExact = search.IsExact,
            Looked = search.Looked,
            Unchanged = [.. _pool.Classes.Where(one => !_changed.ContainsKey(one.Id))],
            Pinned = pinned,
            Obstacles = [.. search.Obstacles.Select(obstacle => new UpgradeObstacle(
                [.. changed.Where((_, index) => !(obstacle.Upgraded >> index).IsEven)], changed[obstacle.Next], obstacle.Strands))],
        };
    }

    private (UpgradePlanner.Search Search, int Pinned) Find(Func<MoveOutcome, bool> fits)
    {
        HostClass[] changed = [.. Changed];
        HostClass[] fixedOnes = [.. _pool.Classes.Where(one => !_changed.ContainsKey(one.Id))];
        List<UpgradePlanner.Need> needs = [];
        int pinned = 0;
        foreach (GuestGroup group in _pool.Groups)
        {
            if (Array.Exists(fixedOnes, one => group.CanGoTo(one) && fits(_pool.Outcome(group.Guest, one))))
            {
                continue;
            }

            UpgradePlanner.Need need = new(
                group,
                Mask(changed, one => group.CanGoTo(one) && fits(_pool.Outcome(group.Guest, one))),
                Mask(changed, one => group.CanGoTo(one) && fits(After(group.Guest, one))));
            if (need.Before.IsZero)
            {
                pinned++;
            }
            else
            {
                needs.Add(need);
            }
        }

        return (UpgradePlanner.Find(needs, changed.Length), pinned);
    }

    private static BigInteger Mask(HostClass[] classes, Func<HostClass, bool> takes)
    {
        BigInteger mask = BigInteger.Zero;
        for (int i = 0; i < classes.Length; i++)
        {
            mask |= takes(classes[i]) ? BigInteger.One << i : BigInteger.Zero;
        }

        return mask;
    }
}
