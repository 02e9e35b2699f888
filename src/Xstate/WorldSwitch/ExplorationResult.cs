using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>What an exploration found.</summary>
/// <param name="Protocol">What was explored.</param>
/// <param name="Vcpus">On how many vCPUs.</param>
/// <param name="Cpus">On how many logical processors.</param>
/// <param name="Events">With which events.</param>
/// <param name="Complete">Every reachable state was explored; if not, what was not found may still be there.</param>
/// <param name="States">Distinct states, up to the reduction unless that was off.</param>
/// <param name="Transitions">Steps and events taken from them, those that change nothing included.</param>
/// <param name="Depth">The longest of the shortest ways to a state, in steps.</param>
/// <param name="MemoryBytes">Bytes that the stored states took.</param>
/// <param name="Violations">The violated invariants, each with a shortest trace, in the order of <see cref="Invariants.All"/>.</param>
internal sealed record ExplorationResult(
    SwitchProtocol Protocol,
    int Vcpus,
    int Cpus,
    HostEvents Events,
    bool Complete,
    long States,
    long Transitions,
    int Depth,
    long MemoryBytes,
    ImmutableArray<InvariantViolation> Violations)
{
    /// <summary>The violation of an invariant, or null when none was found.</summary>
    public InvariantViolation? Of(Invariant invariant) => Violations.FirstOrDefault(violation => violation.Invariant == invariant);

    /// <summary>One sentence that claims no more than was done.</summary>
    public string Verdict => Complete
        ? $"explored {States} states completely"
        : $"stopped at the bound after {States} states; what was not found may still be there";
}

/// <summary>An invariant that does not hold, and a shortest way to see it.</summary>
/// <param name="Invariant">Which.</param>
/// <param name="Trace">From the start to the step that violates it. No shorter sequence does.</param>
internal sealed record InvariantViolation(Invariant Invariant, ImmutableArray<TraceStep> Trace);

/// <summary>One step of a trace.</summary>
/// <param name="Actor">Who: <c>vcpu0</c> or <c>cpu1</c> (an event strikes a processor).</param>
/// <param name="Vcpu">The vCPU concerned.</param>
/// <param name="Cpu">The processor it happens on.</param>
/// <param name="World">Whose code ran there before the step.</param>
/// <param name="Step">The instruction, call or event.</param>
/// <param name="Note">What changed, and which invariant broke.</param>
/// <param name="Thought">What the step stands for.</param>
internal sealed record TraceStep(string Actor, int Vcpu, int Cpu, World World, string Step, string Note, string Thought);
