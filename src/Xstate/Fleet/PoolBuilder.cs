using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>
/// Sorts hosts and guests into classes as they come. What it keeps grows with the classes, and with the captures that are named one by one.
/// </summary>
internal sealed class PoolBuilder
{
    /// <summary>Names that are kept of each group.</summary>
    internal const int MaxNames = 8;

    private readonly RehearsalOptions _options;
    private readonly Dictionary<string, HostClass?> _homes = [];
    private readonly Dictionary<string, (GuestClass Class, long First)> _guests = [];
    private readonly Dictionary<CpuidTable, string> _cpuids = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<(int Guest, int Home), (long Count, List<(long Place, string Name)> Names)> _groups = [];
    private readonly ImmutableArray<(long Place, PoolCapture Capture)>.Builder _captures =
        ImmutableArray.CreateBuilder<(long, PoolCapture)>();

    /// <summary>Begins with the hosts.</summary>
    /// <param name="hosts">At least one.</param>
    /// <param name="options">What is assumed of every restore.</param>
    public PoolBuilder(IEnumerable<PoolHost> hosts, RehearsalOptions? options = null)
    {
        _options = options ?? new RehearsalOptions();
        Classes = HostClass.Of(hosts);
        if (Classes.IsEmpty)
        {
            throw new ArgumentException("a pool has at least one host", nameof(hosts));
        }

        foreach (HostClass one in Classes)
        {
            foreach (PoolHost host in one.Hosts)
            {
                _homes[host.Argument] = one;
            }
        }

        // A record's own name too, where it names one class only.
        HashSet<string> arguments = [.. _homes.Keys];
        foreach (HostClass one in Classes)
        {
            foreach (string name in one.Hosts.Select(host => host.Host.Record.Name).Distinct().Where(name => !arguments.Contains(name)))
            {
                _homes[name] = _homes.TryGetValue(name, out HostClass? other) && other?.Id != one.Id ? null : one;
            }
        }
    }

    /// <summary>The classes of the hosts.</summary>
    public ImmutableArray<HostClass> Classes { get; }

    /// <summary>
    /// The place of what is added next among the inputs of all shards; it counts on by itself. Guests and their classes keep its order.
    /// </summary>
    public long Place { get; set; }

    /// <summary>The class of hosts that a name belongs to; null for none, or for a name that several have.</summary>
    /// <param name="host">HOST as it was given, or the name in its record.</param>
    public HostClass? HomeOf(string? host) => host is not null && _homes.TryGetValue(host, out HostClass? home) ? home : null;

    /// <summary>Adds a capture.</summary>
    /// <param name="name">Its name in answers.</param>
    /// <param name="capture">The capture.</param>
    public void Add(string name, Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        HostClass? home = HomeOf(capture.Source?.Value.Name);
        GuestClass guest = ClassOf(GuestKey.Of(capture), id => new GuestClass(id, [capture]));
        Count(guest, home, name);
        _captures.Add((Place++, new PoolCapture(name, guest, home)));
    }

    /// <summary>Why a record cannot be added; null when it can.</summary>
    public string? ObstacleTo(VmRecord record)
    {
        ArgumentNullException.ThrowIfNull(record);
        return record.GuestCpuid is null && HomeOf(record.Host) is null
            ? $"{Quotation.Of(record.Vm)} has no guestCpuid, and its host is none of the pool"
            : null;
    }

    /// <summary>Adds a VM of which a record is known.</summary>
    /// <param name="record">The record.</param>
    /// <param name="cpuids">CPUIDs by their names.</param>
    /// <returns>Its class.</returns>
    /// <exception cref="ArgumentException">It names no CPUID, and no host of the pool whose KVM could tell it.</exception>
    public GuestClass Add(VmRecord record, IReadOnlyDictionary<string, CpuidTable> cpuids)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(cpuids);
        if (ObstacleTo(record) is { } obstacle)
        {
            throw new ArgumentException(obstacle, nameof(record));
        }

        HostClass? home = HomeOf(record.Host);
        string msrs = record.Msrs.IsEmpty ? "" : string.Join(',', record.Msrs.Select(msr => $"{msr.Key:x}={msr.Value:x}"));
        CpuidTable? named = record.GuestCpuid is { } name ? cpuids[name] : null;
        string cpuid = named is not null ? $"cpuid {KeyOf(named)}" : string.Create(CultureInfo.InvariantCulture, $"host {home!.Id}");
        GuestClass guest = ClassOf($"{cpuid}|{record.Xcr0?.Bits:x}|{record.InUse?.Bits:x}|{msrs}", id => named is not null
            ? new GuestClass(id, [FullestGuest.Of(record, named)])
            : new GuestClass(id, FullestGuest.Of(record, home!.Host, out bool isComplete)) { IsComplete = isComplete });
        Count(guest, home, record.Vm);
        Place++;
        return guest;
    }

    // Files, and lines of one file, may give a name to different CPUIDs.
    private string KeyOf(CpuidTable cpuid)
    {
        if (!_cpuids.TryGetValue(cpuid, out string? key))
        {
            key = GuestKey.Of(cpuid);
            _cpuids.Add(cpuid, key);
        }

        return key;
    }

    /// <summary>Rehearses all classes on each other.</summary>
    public Pool Build()
    {
        Moves moves = new(_options);
        if (_guests.Count == 0)
        {
            return OfFullest(Classes, moves);
        }

        ImmutableArray<GuestClass> guests = [.. _guests.Values.Select(guest => guest.Class).OrderBy(guest => guest.Id)];
        ImmutableArray<GuestGroup> groups =
        [
            .. _groups.OrderBy(group => group.Key)
                .Select(group => new GuestGroup(guests[group.Key.Guest], group.Key.Home < 0 ? null : Classes[group.Key.Home])
            {
                Count = group.Value.Count,
                Names = [.. group.Value.Names.Select(name => name.Name)],
            }),
        ];
        return new Pool(Classes, guests, groups, moves) { Captures = [.. _captures.Select(pair => pair.Capture)] };
    }

    /// <summary>Rehearses the guests of one shard on all classes of hosts, for <see cref="PoolMerge"/>.</summary>
    /// <param name="shard">Whose guests were added.</param>
    /// <param name="upgrade">A kernel that hosts could get, or null.</param>
    public PoolPart ToPart(PoolShard shard, KernelBehavior? upgrade = null)
    {
        Moves moves = new(_options);
        (string Key, GuestClass Class, long First)[] guests =
            [.. _guests.Select(pair => (pair.Key, pair.Value.Class, pair.Value.First)).OrderBy(guest => guest.Class.Id)];
        ImmutableArray<GuestClass> classes = [.. guests.Select(guest => guest.Class)];
        ImmutableArray<ImmutableArray<MoveOutcome>> outcomes = moves.Of(classes, [.. Classes.Select(one => one.Host)]);
        ImmutableArray<ImmutableArray<MoveOutcome>> upgraded = upgrade is null ? [] : Upgraded(moves, classes, outcomes, upgrade);
        return new PoolPart(shard, Classes)
        {
            Options = RehearsalKey.Of(_options),
            Upgrade = upgrade?.Reading.Name,
            Guests =
            [
                .. guests.Select((guest, i) =>
                    new PartGuest(guest.Key, guest.First, outcomes[i], upgrade is null ? [] : upgraded[i])),
            ],
            Groups =
            [
                .. _groups.OrderBy(group => group.Key)
                    .Select(group => new PartGroup(group.Key.Guest, group.Key.Home, group.Value.Count, [.. group.Value.Names])),
            ],
            Captures =
            [
                .. _captures.Select(pair => new PartCapture(
                    pair.Place, pair.Capture.Name, pair.Capture.Guest.Id, pair.Capture.Home?.Id ?? -1)),
            ],
            Rehearsed = moves.Count,
        };
    }

    /// <summary>The pool of hosts of whose guests nothing is known.</summary>
    internal static Pool OfFullest(ImmutableArray<HostClass> classes, Moves moves)
    {
        ImmutableArray<GuestClass> guests =
        [
            .. classes.Select(one => new GuestClass(one.Id, FullestGuest.Of(one.Host, out bool isComplete)) { IsComplete = isComplete }),
        ];
        return new Pool(classes, guests, [.. guests.Select(guest => new GuestGroup(guest, classes[guest.Id]))], moves);
    }

    private ImmutableArray<ImmutableArray<MoveOutcome>> Upgraded(
        Moves moves, ImmutableArray<GuestClass> guests, ImmutableArray<ImmutableArray<MoveOutcome>> before, KernelBehavior kernel)
    {
        Dictionary<int, LinuxHost> changed = PoolUpgrades.Change(Classes, kernel);
        int[] ids = [.. changed.Keys];
        ImmutableArray<ImmutableArray<MoveOutcome>> after = moves.Of(guests, [.. ids.Select(id => changed[id])]);
        return
        [
            .. before.Select((outcomes, guest) => ids.Select((id, i) => (id, i))
                .Aggregate(outcomes, (all, one) => all.SetItem(one.id, after[guest][one.i]))),
        ];
    }

    private GuestClass ClassOf(string key, Func<int, GuestClass> make)
    {
        if (!_guests.TryGetValue(key, out (GuestClass Class, long First) guest))
        {
            guest = (make(_guests.Count), Place);
            _guests.Add(key, guest);
        }

        return guest.Class;
    }

    private void Count(GuestClass guest, HostClass? home, string name)
    {
        (int, int) key = (guest.Id, home?.Id ?? -1);
        (long count, List<(long, string)> names) = _groups.TryGetValue(key, out (long, List<(long, string)>) group) ? group : (0, []);
        if (names.Count < MaxNames)
        {
            names.Add((Place, name));
        }

        _groups[key] = (count + 1, names);
    }
}
