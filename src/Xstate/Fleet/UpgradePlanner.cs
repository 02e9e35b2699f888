using System.Collections.Immutable;
using System.Numerics;

namespace Xstate.Fleet;

/// <summary>
/// Looks for an order of upgrades. Up to <see cref="MaxExact"/> classes that change it goes through all sets of upgraded classes that can
/// be reached without stranding anybody, so that "none" is a proof; beyond that it goes depth first and gives up after a number of sets.
/// </summary>
internal static class UpgradePlanner
{
    /// <summary>Classes for which every order is tried.</summary>
    public const int MaxExact = 20;

    /// <summary>Sets that are looked at beyond that.</summary>
    public const int MaxLooked = 200_000;

    private const int MaxObstacles = 32;

    /// <summary>Where a group can go.</summary>
    /// <param name="Group">The group.</param>
    /// <param name="Before">Classes, among those that change, that take it with the old kernel.</param>
    /// <param name="After">With the new kernel.</param>
    public readonly record struct Need(GuestGroup Group, BigInteger Before, BigInteger After)
    {
        /// <summary>Whether somebody takes it when these classes are upgraded.</summary>
        public bool IsMet(BigInteger upgraded) => !((Before & ~upgraded) | (After & upgraded)).IsZero;
    }

    /// <summary>What was found.</summary>
    public sealed record Search(ImmutableArray<int>? Order, bool IsExact, long Looked,
        ImmutableArray<(BigInteger Upgraded, int Next, ImmutableArray<GuestGroup> Strands)> Obstacles);

    /// <summary>Looks for an order of the classes 0 to <paramref name="count"/> - 1.</summary>
    /// <param name="needs">Groups that only classes which change can take, and that are not stranded to begin with.</param>
    /// <param name="count">How many classes change.</param>
    public static Search Find(IReadOnlyList<Need> needs, int count)
    {
        // Groups that can go to the same classes are one.
        Need[] distinct = [.. needs.DistinctBy(need => (need.Before, need.After))];
        bool isExact = count <= MaxExact;
        BigInteger all = (BigInteger.One << count) - 1;
        HashSet<BigInteger> seen = [BigInteger.Zero];
        Stack<(BigInteger Set, ImmutableList<int> Order)> pending = new([(BigInteger.Zero, [])]);
        ImmutableArray<(BigInteger, int, ImmutableArray<GuestGroup>)>.Builder obstacles = ImmutableArray.CreateBuilder<(BigInteger, int,
            ImmutableArray<GuestGroup>)>();
        while (pending.TryPop(out (BigInteger Set, ImmutableList<int> Order) at))
        {
            if (at.Set == all)
            {
                return new Search([.. at.Order], isExact, seen.Count, []);
            }

            if (!isExact && seen.Count > MaxLooked)
            {
                return new Search(null, IsExact: false, seen.Count, obstacles.ToImmutable());
            }

            for (int next = count - 1; next >= 0; next--)
            {
                BigInteger with = at.Set | BigInteger.One << next;
                if (with == at.Set || seen.Contains(with))
                {
                    continue;
                }

                if (Array.TrueForAll(distinct, need => need.IsMet(with)))
                {
                    seen.Add(with);
                    pending.Push((with, at.Order.Add(next)));
                }
                else if (obstacles.Count < MaxObstacles)
                {
                    obstacles.Add((at.Set, next, [.. needs.Where(need => !need.IsMet(with)).Select(need => need.Group)]));
                }
            }
        }

        return new Search(null, isExact || seen.Count <= MaxLooked, seen.Count, obstacles.ToImmutable());
    }
}
