using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>
/// Writes a protocol down in the order in which it runs: a step leads to the location that is written next, unless it names another.
/// </summary>
internal sealed class ProtocolBuilder
{
    private readonly Dictionary<string, int> _labels = [];
    private readonly List<(string Name, bool GuestOwnsFpu, List<Draft> Steps)> _locations = [];

    /// <summary>Whether the guest's FPU state is the thread's current one at the locations that follow.</summary>
    public bool GuestOwnsFpu { get; set; }

    /// <summary>Starts a location.</summary>
    public ProtocolBuilder At(string location)
    {
        _locations.Add((location, GuestOwnsFpu, []));
        return this;
    }

    /// <summary>A step to the location that is written next.</summary>
    public ProtocolBuilder Step(string name, string thought, StepEffect effect) =>
        Add(new Draft(name, thought, effect, null, HostEvents.None));

    /// <summary>A step to a named location.</summary>
    public ProtocolBuilder StepTo(string target, string name, string thought, StepEffect effect) =>
        Add(new Draft(name, thought, effect, target, HostEvents.None));

    /// <summary>A step that stays where it is.</summary>
    public ProtocolBuilder Loop(string name, string thought, StepEffect effect, HostEvents requires = HostEvents.None) =>
        Add(new Draft(name, thought, effect, _locations[^1].Name, requires));

    /// <summary>A second name for the location that is written next.</summary>
    public void Label(string name) => _labels.Add(name, _locations.Count);

    /// <summary>A location with one step.</summary>
    public ProtocolBuilder Then(string location, string name, string thought, StepEffect effect) => At(location)
        .Step(name, thought, effect);

    /// <summary>The index of a location, or −1. Only for what is already written.</summary>
    public int IndexOf(string location) => _labels.TryGetValue(location, out int index)
        ? index : _locations.FindIndex(entry => entry.Name == location);

    /// <summary>The finished locations.</summary>
    public ImmutableArray<ProtocolLocation> Build()
    {
        ImmutableArray<ProtocolLocation>.Builder result = ImmutableArray.CreateBuilder<ProtocolLocation>();
        for (int i = 0; i < _locations.Count; i++)
        {
            (string name, bool guestOwnsFpu, List<Draft> drafts) = _locations[i];
            result.Add(new ProtocolLocation(name, guestOwnsFpu, [.. drafts.Select(draft => Resolve(draft, i))]));
        }

        return result.ToImmutable();
    }

    private ProtocolStep Resolve(Draft draft, int location)
    {
        int next = draft.Target is null ? location + 1 : IndexOf(draft.Target);
        if (next < 0 || next >= _locations.Count)
        {
            throw new InvalidOperationException($"step '{draft.Name}' leads nowhere");
        }

        return new ProtocolStep(draft.Name, draft.Thought, draft.Effect, next == location ? -1 : next, draft.Requires);
    }

    private ProtocolBuilder Add(Draft draft)
    {
        _locations[^1].Steps.Add(draft);
        return this;
    }

    private sealed record Draft(string Name, string Thought, StepEffect Effect, string? Target, HostEvents Requires);
}
