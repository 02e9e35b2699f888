using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>
/// Sorts hosts and guests into classes as they come. What it keeps grows with the classes, and with the captures that are named one by one.
/// </summary>
public sealed class PoolBuilder
{
    private const int MaxNames = 8;

    private readonly RehearsalOptions _options;
    private readonly Dictionary<string, HostClass?> _homes = [];
    private readonly Dictionary<string, GuestClass> _guests = [];
    private readonly Dictionary<(int Guest, int Home), (long Count, List<string> Names)> _groups = [];
    private readonly ImmutableArray<PoolCapture>.Builder _captures = ImmutableArray.CreateBuilder<PoolCapture>();

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
        GuestClass guest = ClassOf(GuestKey.Of(capture), () => capture);
        Count(guest, home, name);
        _captures.Add(new PoolCapture(name, guest, home));
    }

    /// <summary>Adds a VM of which a record is known.</summary>
    /// <param name="record">The record.</param>
    /// <param name="cpuids">CPUIDs by their names.</param>
    /// <exception cref="ArgumentException">It names no CPUID, and no host of the pool whose KVM could tell it.</exception>
    public void Add(VmRecord record, IReadOnlyDictionary<string, CpuidTable> cpuids)
    {
        ArgumentNullException.ThrowIfNull(record);
        ArgumentNullException.ThrowIfNull(cpuids);
        HostClass? home = HomeOf(record.Host);
        if (record.GuestCpuid is null && home is null)
        {
            throw new ArgumentException($"{Quotation.Of(record.Vm)} has no guestCpuid, and its host is none of the pool", nameof(record));
        }

        string msrs = record.Msrs.IsEmpty ? "" : string.Join(',', record.Msrs.Select(msr => $"{msr.Key:x}={msr.Value:x}"));
        string cpuid = record.GuestCpuid is { } name ? $"cpuid {name}" : string.Create(CultureInfo.InvariantCulture, $"host {home!.Id}");
        Add(record.Vm, $"{cpuid}|{record.Xcr0?.Bits:x}|{record.InUse?.Bits:x}|{msrs}",
            () => FullestGuest.Of(record, record.GuestCpuid is { } known ? cpuids[known] : OfferedBy(home!)), record.Host);
    }

    // What a guest has that was given all that is known to be offered.
    private static CpuidTable OfferedBy(HostClass home) => KernelWorlds.Of(home.Host, static world => world.KvmCpuid, out _)[0];

    /// <summary>Adds one of many guests, which has no line of its own in answers.</summary>
    /// <param name="name">Its name, for the first of each group.</param>
    /// <param name="key">Equal for guests that are equal in all that a rehearsal reads.</param>
    /// <param name="capture">Makes the capture of the first guest with this key.</param>
    /// <param name="host">The host that it is on.</param>
    public void Add(string name, string key, Func<Capture> capture, string? host)
    {
        ArgumentNullException.ThrowIfNull(capture);
        Count(ClassOf(key, capture), HomeOf(host), name);
    }

    /// <summary>Rehearses all classes on each other.</summary>
    public Pool Build()
    {
        ImmutableArray<GuestClass> guests = [.. _guests.Values.OrderBy(guest => guest.Id)];
        ImmutableArray<GuestGroup> groups =
        [
            .. _groups.OrderBy(group => group.Key)
                .Select(group => new GuestGroup(guests[group.Key.Guest], group.Key.Home < 0 ? null : Classes[group.Key.Home])
            {
                Count = group.Value.Count,
                Names = [.. group.Value.Names],
            }),
        ];
        if (guests.IsEmpty)
        {
            guests = [.. Classes.Select(one => new GuestClass(one.Id,
                FullestGuest.Of(one.Host, out bool isComplete)) { IsComplete = isComplete })];
            groups = [.. guests.Select(guest => new GuestGroup(guest, Classes[guest.Id]))];
        }

        return new Pool(Classes, guests, groups, new Moves(_options)) { Captures = _captures.ToImmutable() };
    }

    private GuestClass ClassOf(string key, Func<Capture> capture)
    {
        if (!_guests.TryGetValue(key, out GuestClass? guest))
        {
            guest = new GuestClass(_guests.Count, [capture()]);
            _guests.Add(key, guest);
        }

        return guest;
    }

    private void Count(GuestClass guest, HostClass? home, string name)
    {
        (int, int) key = (guest.Id, home?.Id ?? -1);
        (long count, List<string> names) = _groups.TryGetValue(key, out (long, List<string>) group) ? group : (0, []);
        if (names.Count < MaxNames)
        {
            names.Add(name);
        }

        _groups[key] = (count + 1, names);
    }
}
