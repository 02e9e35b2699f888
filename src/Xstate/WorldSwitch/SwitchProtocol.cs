using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>What a step does; false when it cannot happen in this state, and then nothing may have been changed or violated.</summary>
internal delegate bool StepEffect(ref StepContext context);

/// <summary>One atomic step that a thread can take at a location.</summary>
/// <param name="Name">The instruction or call, as a trace shows it.</param>
/// <param name="Thought">The line of source or of the manual that the step stands for, in a sentence.</param>
/// <param name="Effect">What it does.</param>
/// <param name="Next">The location that follows, or −1 to stay.</param>
/// <param name="Requires">The event that must be explored for this step to exist (requests from user space).</param>
internal sealed record ProtocolStep(string Name, string Thought, StepEffect Effect, int Next, HostEvents Requires = HostEvents.None);

/// <summary>A place between two steps. More than one step means a choice, and every choice is explored.</summary>
/// <param name="Name">A short name, unique in the protocol.</param>
/// <param name="GuestOwnsFpu">The guest's FPU state is the thread's current one.</param>
/// <param name="Steps">What can happen next.</param>
internal sealed record ProtocolLocation(string Name, bool GuestOwnsFpu, ImmutableArray<ProtocolStep> Steps);

/// <summary>Overwrites with a fixed value what nothing reads before it is written again.</summary>
internal delegate void ForgetDeadValues(ref VcpuState vcpu);

/// <summary>
/// An event that can strike between any two steps of a thread; the effect decides whether the masks of the processor allow it.
/// </summary>
/// <param name="Event">Which event must be explored.</param>
/// <param name="Name">What happens, as a trace shows it.</param>
/// <param name="Thought">Why it can, and what its handler does.</param>
/// <param name="Effect">What it does; it may move the thread to another location.</param>
internal sealed record EventRule(HostEvents Event, string Name, string Thought, StepEffect Effect);

/// <summary>What a protocol is meant to be.</summary>
internal enum ProtocolKind
{
    /// <summary>A hypervisor as released.</summary>
    Real,

    /// <summary>A released hypervisor in an unusual but legal setting.</summary>
    Setting,

    /// <summary>A change that somebody proposed.</summary>
    Proposal,

    /// <summary>Broken on purpose, to see the invariants work.</summary>
    Broken,
}

/// <summary>
/// A way to switch between host and guest, as data: the places of one vCPU thread, the steps between them, and what events do. Verdicts are
/// not part of it; they come out of <see cref="Explorer"/>.
/// </summary>
internal sealed class SwitchProtocol
{
    internal SwitchProtocol(
        string id,
        ProtocolKind kind,
        string summary,
        SwitchInstructions instructions,
        PkruValue threadPkru,
        ImmutableArray<ProtocolLocation> locations,
        ImmutableArray<EventRule> events,
        StepEffect resume,
        ForgetDeadValues forget)
    {
        Id = id;
        Kind = kind;
        Summary = summary;
        Instructions = instructions;
        ThreadPkru = threadPkru;
        Locations = locations;
        Events = events;
        Resume = resume;
        Forget = forget;
    }

    /// <summary>The name in the command line and in JSON; never changed.</summary>
    public string Id { get; }

    /// <summary>Real, proposed or broken.</summary>
    public ProtocolKind Kind { get; }

    /// <summary>What it is, in a few sentences, with the assumptions that its verdicts rest on.</summary>
    public string Summary { get; }

    /// <summary>What the guest's and the host's instructions do to the registers.</summary>
    public SwitchInstructions Instructions { get; }

    /// <summary>The PKRU that the VMM's thread has in user space.</summary>
    public PkruValue ThreadPkru { get; }

    /// <summary>Every place; the first is user space, where every thread starts.</summary>
    public ImmutableArray<ProtocolLocation> Locations { get; }

    /// <summary>What events do.</summary>
    public ImmutableArray<EventRule> Events { get; }

    /// <summary>What happens when a preempted thread gets a processor.</summary>
    public StepEffect Resume { get; }

    /// <summary>
    /// Makes states equal that differ only in dead values, such as a saved PKRU that the next exit overwrites whatever it is. Explorations
    /// with reduction store states in this form; traces are replayed without it.
    /// </summary>
    public ForgetDeadValues Forget { get; }

    /// <summary>The location with this name.</summary>
    /// <exception cref="ArgumentException">There is none.</exception>
    public int LocationOf(string name)
    {
        for (int i = 0; i < Locations.Length; i++)
        {
            if (Locations[i].Name == name)
            {
                return i;
            }
        }

        throw new ArgumentException($"protocol {Id} has no location '{name}'", nameof(name));
    }

    /// <summary>A thread in user space that has not run its guest yet.</summary>
    internal VcpuState InitialVcpu => new()
    {
        Location = 0,
        Cpu = -1,
        Xcr0 = Xcr0Value.WithoutPkru,
        Xss = XssValue.Zero,
        HostPkru = ThreadPkru,
        ThreadPkru = ThreadPkru,
    };

    /// <inheritdoc/>
    public override string ToString() => Id;
}
