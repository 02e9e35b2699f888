using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// What becomes of a capture on a target, from best to worst; the same order sums virtual CPUs, threads, files and hosts.
/// </summary>
public enum Verdict
{
    /// <summary>It loads, and the guest sees the same.</summary>
    Same,

    /// <summary>
    /// It hangs on a fact that is not known, and with one value of it all is well: <see cref="TargetOutcome.DependsOn"/>.
    /// </summary>
    Unknown,

    /// <summary>It does not load the same as it is, but does after a repair that loses nothing.</summary>
    Repairable,

    /// <summary>It loads, but the guest sees something else.</summary>
    Differs,

    /// <summary>It does not load, and no repair without loss helps.</summary>
    Refused,

    /// <summary>Loading it can harm the host.</summary>
    Dangerous,
}

/// <summary>A register that the guest would find changed.</summary>
/// <param name="Vcpu">Virtual CPU index.</param>
/// <param name="Register">Register name.</param>
/// <param name="Before">Its value in the capture.</param>
/// <param name="After">Its value after the restore.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record RegisterDifference(int Vcpu, string Register, string Before, string After);

/// <summary>The rehearsed restore of one capture on one target.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record TargetOutcome
{
    /// <summary>The part of the scope that is the registers of extended state.</summary>
    public const string ExtendedState = "extended state";

    /// <summary>In place of <see cref="ExtendedState"/> where the file does not hold all of it: <see cref="Recorded"/> alone.</summary>
    public const string RecordedState = "extended state as far as it is recorded";

    /// <summary>The part of the scope that is the MSRs which belong to it.</summary>
    public const string StateMsrs = "its MSRs";

    /// <summary>
    /// The part of the scope that is the instructions which the guest's CPUID promises; out of it where that CPUID is not known.
    /// </summary>
    public const string CpuidFeatures = "CPUID features";

    /// <summary>The target host.</summary>
    public required string Host { get; init; }

    /// <summary>The target kernel.</summary>
    public required string Kernel { get; init; }

    /// <summary>How the kernel's name was read; null only in parts of a rehearsal.</summary>
    internal KernelReading? KernelRead { get; init; }

    /// <summary>The VMM whose restore was followed.</summary>
    public required Restorer Vmm { get; init; }

    /// <summary>What becomes of the capture as it is.</summary>
    public required Verdict Verdict { get; init; }

    /// <summary>The errno of the first refused call, or <see cref="Errno.None"/>.</summary>
    public Errno Errno { get; init; }

    /// <summary>The first refused call, if any.</summary>
    public string? RefusedCall { get; init; }

    /// <summary>Everything that is worth saying.</summary>
    public ImmutableArray<Finding> Findings { get; init; } = [];

    /// <summary>Registers that would change.</summary>
    public ImmutableArray<RegisterDifference> Differences { get; init; } = [];

    /// <summary>Repairs that make it load, or would be part of making it load.</summary>
    public ImmutableArray<RepairStep> Repairs { get; init; } = [];

    /// <summary>
    /// The repaired capture that loads and is the same, whatever the facts are that are not known; null when none was needed or none helps.
    /// </summary>
    public Capture? Repaired { get; init; }

    /// <summary>
    /// Whether something is left that the repair does not bring back, although nothing in the state is lost: the target lacks instructions
    /// that the guest was promised. Only said beside <see cref="Verdict.Repairable"/>.
    /// </summary>
    public bool DiffersAfterRepair { get; init; }

    /// <summary>
    /// What the verdict covers: <see cref="ExtendedState"/> or <see cref="RecordedState"/>, <see cref="StateMsrs"/>,
    /// <see cref="CpuidFeatures"/>.
    /// </summary>
    public ImmutableArray<string> Scope { get; init; } = [ExtendedState];

    /// <summary>
    /// The components that the file holds of every thread, when it does not hold all: the verdict says nothing of others. Null
    /// when nothing is missing.
    /// </summary>
    public StateComponentSet? Recorded { get; init; }

    /// <summary>Facts that are not known and on which the outcome depends; empty when it depends on none.</summary>
    public ImmutableArray<Dependency> DependsOn { get; init; } = [];

    /// <summary>
    /// The capture as it was rehearsed: with what was inferred of it and, where facts that are not known do not matter, with one of their
    /// values.
    /// </summary>
    public Capture? Rehearsed { get; init; }

    /// <summary>The restore as performed on the model, call by call.</summary>
    internal PerformedRestore Performed { get; init; } = PerformedRestore.None;
}
