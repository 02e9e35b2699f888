using System.Collections.Immutable;
using Xstate.Hypervisors;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>Puts the parts of all shards together: the pool is the one that a single run would have built.</summary>
internal static class PoolMerge
{
    /// <summary>Why parts do not belong together; null when they do.</summary>
    /// <param name="parts">The parts.</param>
    /// <param name="nameOf">What a part is called in the message.</param>
    /// <param name="options">What is assumed of every restore now.</param>
    /// <param name="upgrade">The kernel that is asked for now.</param>
    public static string? FindObstacle(
        IReadOnlyList<PoolPart> parts, Func<int, string> nameOf, RehearsalOptions options, KernelBehavior? upgrade)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ArgumentNullException.ThrowIfNull(nameOf);
        ArgumentNullException.ThrowIfNull(options);
        PoolPart first = parts[0];
        Dictionary<int, int> seen = [];
        for (int i = 0; i < parts.Count; i++)
        {
            PoolPart part = parts[i];
            if (part.Shard.Count != first.Shard.Count)
            {
                return $"{nameOf(i)} is shard {part.Shard}, and {nameOf(0)} is {first.Shard}: they are not of one run";
            }

            if (!seen.TryAdd(part.Shard.Index, i))
            {
                return $"{nameOf(i)} and {nameOf(seen[part.Shard.Index])} are both shard {part.Shard}";
            }

            if (!HostsOf(part).SequenceEqual(HostsOf(first)))
            {
                return $"{nameOf(i)} and {nameOf(0)} are about different hosts";
            }
        }

        int[] missing = [.. Enumerable.Range(0, first.Shard.Count).Where(index => !seen.ContainsKey(index))];
        return missing.Length > 0 ? $"there is no part of {Listed(missing)} of {first.Shard.Count} shards"
            : OptionsObstacle(parts, nameOf, RehearsalKey.Of(options), upgrade?.Reading.Name);
    }

    /// <summary>The pool of parts that belong together.</summary>
    /// <param name="parts">One part of each shard.</param>
    /// <param name="options">What was assumed of every restore.</param>
    public static Pool Merge(IReadOnlyList<PoolPart> parts, RehearsalOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(parts);
        ImmutableArray<HostClass> classes = parts[0].Classes;
        PartGuest[] merged =
        [
            .. parts.SelectMany(part => part.Guests).GroupBy(guest => guest.Key)
                .Select(same => same.MinBy(guest => guest.First)!).OrderBy(guest => guest.First),
        ];
        Dictionary<string, GuestClass> ids = merged.Select((guest, id) => (guest.Key, Class: new GuestClass(id, [])))
            .ToDictionary(pair => pair.Key, pair => pair.Class);
        ImmutableArray<GuestGroup> groups =
        [
            .. parts.SelectMany(part => part.Groups.Select(group => (ids[part.Guests[group.Guest].Key].Id, group.Home, Group: group)))
                .GroupBy(group => (group.Id, group.Home)).OrderBy(same => same.Key)
                .Select(same => new GuestGroup(ids[merged[same.Key.Id].Key], HomeOf(classes, same.Key.Home))
                {
                    Count = same.Sum(group => group.Group.Count),
                    Names =
                    [
                        .. same.SelectMany(group => group.Group.Names).OrderBy(name => name.Place)
                            .Take(PoolBuilder.MaxNames).Select(name => name.Name),
                    ],
                }),
        ];
        Moves moves = new(options ?? new RehearsalOptions(), parts.Sum(part => part.Rehearsed));
        if (merged.Length == 0)
        {
            return PoolBuilder.OfFullest(classes, moves);
        }

        return new Pool(classes, [.. ids.Values.OrderBy(guest => guest.Id)], groups, moves, [.. merged.Select(guest => guest.Outcomes)])
        {
            Upgraded = [.. merged.Where(guest => !guest.Upgraded.IsEmpty).Select(guest => guest.Upgraded)],
            Captures =
            [
                .. parts.SelectMany(part => part.Captures.Select(capture => (Key: part.Guests[capture.Guest].Key, Capture: capture)))
                    .OrderBy(pair => pair.Capture.Place)
                    .Select(pair => new PoolCapture(pair.Capture.Name, ids[pair.Key], HomeOf(classes, pair.Capture.Home))),
            ],
        };
    }

    private static string? OptionsObstacle(IReadOnlyList<PoolPart> parts, Func<int, string> nameOf, string options, string? upgrade)
    {
        for (int i = 0; i < parts.Count; i++)
        {
            if (parts[i].Options != options)
            {
                return $"{nameOf(i)} was made with {parts[i].Options}, and this merge has {options}: "
                    + "give --merge the options of the shards";
            }

            if (parts[i].Upgrade != upgrade)
            {
                return $"{nameOf(i)} was made {UpgradeText(parts[i].Upgrade)}, and this merge is asked {UpgradeText(upgrade)}";
            }
        }

        return null;
    }

    private static string UpgradeText(string? upgrade) => upgrade is null ? "without --upgrade-to" : $"with --upgrade-to {upgrade}";

    private static IEnumerable<(string Argument, string Name, string Class)> HostsOf(PoolPart part)
    {
        foreach (HostClass one in part.Classes)
        {
            string fingerprint = one.Fingerprint;
            foreach (PoolHost host in one.Hosts)
            {
                yield return (host.Argument, host.Host.Record.Name, fingerprint);
            }
        }
    }

    private static HostClass? HomeOf(ImmutableArray<HostClass> classes, int home) => home < 0 ? null : classes[home];

    private static string Listed(int[] indices)
    {
        const int most = 8;
        string more = indices.Length > most ? $" and {indices.Length - most} more" : "";
        return $"shard {string.Join(", ", indices.Take(most))}{more}";
    }
}
