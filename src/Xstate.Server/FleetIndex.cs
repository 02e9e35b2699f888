using System.Collections.Frozen;
using Xstate.Fleet;

namespace Xstate.Server;

/// <summary>What calls are answered from: the pool, and which node and which VM is of which class. Nothing in it changes.</summary>
internal sealed class FleetIndex
{
    private static readonly MoveOutcome Unheard = new(Rehearsal.Verdict.Unknown, []);

    private readonly Pool _pool;
    private readonly FrozenDictionary<string, HostClass> _nodes;
    private readonly Dictionary<string, (GuestClass Guest, string? Home)> _vms;

    /// <param name="pool">The pool.</param>
    /// <param name="nodes">The class of each node.</param>
    /// <param name="vms">The class and the node of each VM.</param>
    public FleetIndex(Pool pool, IReadOnlyDictionary<string, HostClass> nodes, Dictionary<string, (GuestClass Guest, string? Home)> vms)
    {
        _pool = pool;
        _nodes = nodes.ToFrozenDictionary();
        _vms = vms;
    }

    /// <summary>Nodes that are known.</summary>
    public int NodeCount => _nodes.Count;

    /// <summary>VMs that are known.</summary>
    public int VmCount => _vms.Count;

    /// <summary>Classes of hosts.</summary>
    public int HostClassCount => _pool.Classes.Length;

    /// <summary>Classes of guests.</summary>
    public int GuestClassCount => _pool.Guests.Length;

    /// <summary>Files and lines that could not be read.</summary>
    public long Unread { get; init; }

    /// <summary>A VM by its namespace and name, or by its name alone; null for one without a record.</summary>
    public (GuestClass Guest, string? Home)? FindVm(string? space, string? name) =>
        name is null ? null
        : space is not null && _vms.TryGetValue($"{space}/{name}", out (GuestClass, string?) exact) ? exact
        : _vms.TryGetValue(name, out (GuestClass, string?) found) ? found : null;

    /// <summary>What becomes of a guest on a node; unknown where either is not known.</summary>
    public MoveOutcome Outcome(GuestClass? guest, string node) =>
        guest is not null && _nodes.TryGetValue(node, out HostClass? one) ? _pool.Outcome(guest, one) : Unheard;

    /// <summary>What becomes of a guest on each class of hosts that has a node other than its own.</summary>
    public IEnumerable<MoveOutcome> Elsewhere(GuestClass guest, string? home)
    {
        HostClass? own = home is not null && _nodes.TryGetValue(home, out HostClass? one) ? one : null;
        return _pool.Classes.Where(other => other.Id != own?.Id || other.Hosts.Length > 1).Select(other => _pool.Outcome(guest, other));
    }

    /// <summary>Whether a node is known.</summary>
    public bool Knows(string node) => _nodes.ContainsKey(node);
}
