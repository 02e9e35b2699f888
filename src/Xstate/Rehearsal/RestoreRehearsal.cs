using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal.CpuidGates;
using Xstate.Rehearsal.Vmms;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>What a rehearsal assumes beyond the capture and the target.</summary>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record RehearsalOptions
{
    /// <summary>
    /// The VMM whose restore is followed; null for the one that restores the capture's format (<see cref="Restorers.For"/>).
    /// </summary>
    public Restorer? Vmm { get; init; }

    /// <summary>The guest's CPUID for states that carry none; null tries what it can be.</summary>
    public CpuidTable? GuestCpuid { get; init; }

    /// <summary>PKRU that the virtual CPUs hold beforehand; null for fresh ones.</summary>
    public uint? PreviousPkru { get; init; }

    /// <summary>
    /// The state that the virtual CPUs hold beforehand, of which <see cref="PreviousPkru"/> is a part that wins; null for fresh ones.
    /// </summary>
    public Capture? PreviousState { get; init; }

    /// <summary>How QEMU or libvirt makes the guest's CPU; null as the file says, else as it was saved.</summary>
    internal GuestCpuPolicy? GuestCpu { get; init; }

    /// <summary>How the guest is protected from the host.</summary>
    public GuestProtection Protection { get; init; }

    /// <summary>The CRIU that restores a process; null when it is not known.</summary>
    internal CriuRelease? Criu { get; init; }

    /// <summary>What CRIU compares of cpuinfo.img before it restores; null as without its option <c>--cpu-cap</c>.</summary>
    internal CriuCpuCheck? CpuCheck { get; init; }

    /// <summary>Whether repairs may drop state that the guest can see.</summary>
    public bool Force { get; init; }

    /// <summary>The VMM whose restore of a capture is followed.</summary>
    public Restorer RestorerOf(Capture capture) => Vmm ?? Restorers.For(capture);

    /// <summary>What the virtual CPUs hold beforehand on a host; null for fresh ones.</summary>
    internal UsedVcpus? UsedVcpus(LinuxHost host) => PreviousState is null && PreviousPkru is null
        ? null : new UsedVcpus(host, PreviousState, PreviousPkru);
}

/// <summary>
/// Performs the restore of a capture on a modelled host and compares what the guest would see. There is no list of compatibility rules
/// here: refusals, losses and stale values are what the model answers.
/// </summary>
/// <threadsafety>Any thread: a rehearsal changes neither the capture nor the host.</threadsafety>
public static class RestoreRehearsal
{
    private static readonly StateComponentSet TileData = StateComponentSet.Of(StateComponent.TileData);

    /// <summary>
    /// Rehearses a capture on a host (a process as CRIU restores one), and, where it does not load the same, rehearses its repair. What the
    /// capture does not tell is tried with every value that it can have.
    /// </summary>
    public static TargetOutcome Perform(Capture capture, LinuxHost host, RehearsalOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        options ??= new RehearsalOptions();

        // What a repair made is rehearsed once more; a repair of that again is not looked for.
        return Perform(capture, host, options, repaired => Perform(repaired, host, options, _ => null));
    }

    private static TargetOutcome Perform(Capture capture, LinuxHost host, RehearsalOptions given, Func<Capture, TargetOutcome?> again)
    {
        Restorer current = given.RestorerOf(capture);
        bool isGiven = given.Vmm is not null;
        KnownCapture known = KnownCapture.Of(capture);
        bool asks = false;
        return Alternatives.Rehearse(Once, again, given.Force) with { KernelRead = host.Behavior.Reading };

        // What is not known of a kernel is rarely asked for: until it is, all runs share one host and what was worked out of it.
        TargetOutcome Once(FactChoices choices)
        {
            if (!asks)
            {
                try
                {
                    return On(host, choices);
                }
                catch (UnknownDifferenceException)
                {
                    // What was chosen until then stays chosen, in its order.
                    asks = true;
                }
            }

            return On(host.Asking(new DifferenceChoices(host.Behavior, choices)), choices);
        }

        TargetOutcome On(LinuxHost target, FactChoices choices)
        {
            Capture written = AssumedContext.WithLayout(known, target, choices);
            Restorer restorer = isGiven ? current : ReleaseFor(current, capture, target, choices);
            RehearsalOptions options = given with { Vmm = restorer };
            TargetOutcome outcome = capture.Kind == CaptureKind.Process ? ProcessRehearsal.Once(written, target, options, choices)
                : restorer is KvmRestorer kvm ? OnKvm(written, target, options, kvm, choices)
                : TcgLoad.Perform(written, target, restorer, options.Force);
            ImmutableArray<Finding> findings = [.. known.Findings.Where(finding => finding.Rule != Rules.LayoutGuessed),
                .. outcome.Findings];
            outcome = outcome with
            {
                Findings = findings,
                Scope = RecordedOf(written) is null ? ScopeOf(capture, restorer, options) : [TargetOutcome.RecordedState],
                Recorded = RecordedOf(written),
                Repaired = outcome.Repaired is { } repaired ? AssumedContext.Without(repaired, capture) : null,
            };
            bool becomesTargets = restorer.Vmm == Vmm.Qemu && GateStep.PolicyOf(capture, options) == GuestCpuPolicy.Host;
            return AgainstTheFile(KeepingPromises(outcome, written, restorer, target, becomesTargets), capture, restorer, options.Force);
        }
    }

    // QEMU's streams move between its releases in both directions. Which one loads is asked only where that can decide: most states have
    // nothing that releases treat differently.
    private static Restorer ReleaseFor(Restorer current, Capture capture, LinuxHost host, FactChoices choices)
    {
        if (current is not QemuRestorer || !QemuRestorer.DependsOnRelease(capture, host))
        {
            return current;
        }

        ImmutableArray<Restorer> releases = Restorers.Alternatives(current);
        return releases[choices.Choose(new OpenFact(OpenFact.Vmm, current.Vmm.Id,
            $"which release of {current.Vmm.Title} restores the guest is not known",
            $"the version that {current.Vmm.Title} on the target prints, then {string.Join(", ", releases.Select(r => $"--vmm {r.Id}"))}",
            [.. releases.Select(release => $"{release.Vmm.Title} {release.Releases}")]))];
    }

    // What the file of a process holds of every thread, also when its area was cut; null when that is all of it.
    private static StateComponentSet? RecordedOf(Capture capture)
    {
        StateComponentSet? recorded = null;
        foreach (CapturedState state in capture.States.Where(state => capture.Kind == CaptureKind.Process && !state.NotRecorded.IsEmpty))
        {
            recorded = (recorded ?? StateComponents.UserComponents) & (state.Recorded ?? state.Components.Except(state.NotRecorded));
        }

        return recorded;
    }

    private static ImmutableArray<string> ScopeOf(Capture capture, Restorer restorer, RehearsalOptions options) =>
        restorer is not KvmRestorer ? [TargetOutcome.ExtendedState]
        : options.GuestCpuid is null && capture.States.Any(state => state.GuestCpuid is null or { Provenance.Source: FactSource.Guess })
        ? [TargetOutcome.ExtendedState, TargetOutcome.StateMsrs]
        : [TargetOutcome.ExtendedState, TargetOutcome.StateMsrs, TargetOutcome.CpuidFeatures];

    // A state that loads the same, or would after a repair, is one thing; whether the guest finds the instructions that it was promised is
    // another, and no repair of the state helps there.
    private static TargetOutcome KeepingPromises(TargetOutcome outcome, Capture capture, Restorer restorer, LinuxHost host,
        bool becomesTargets)
    {
        if (restorer is not KvmRestorer || capture.Kind == CaptureKind.Process)
        {
            return outcome;
        }

        ImmutableArray<Finding>.Builder findings = outcome.Findings.ToBuilder();
        bool lacks = false;
        foreach (CapturedState state in capture.States.DistinctBy(state => state.GuestCpuid?.Value))
        {
            lacks |= GuestPromises.Check(findings, state, host);
            lacks |= becomesTargets && GuestIdentity.Check(findings, state, host);
        }

        return outcome with
        {
            Findings = findings.ToImmutable(),
            Verdict = lacks && outcome.Verdict == Verdict.Same ? Verdict.Differs : outcome.Verdict,
            DiffersAfterRepair = outcome.DiffersAfterRepair || (lacks && outcome.Verdict == Verdict.Repairable),
        };
    }

    // A file that names its accelerator is restored by that one, whatever is asked here: what a repair for another would make of it is
    // wrong there.
    private static TargetOutcome AgainstTheFile(TargetOutcome outcome, Capture capture, Restorer restorer, bool force)
    {
        if (capture.RestoredBy is not { } named || capture.Kind == CaptureKind.Process
            || (named.Value == Accelerator.Kvm) == restorer is KvmRestorer)
        {
            return outcome;
        }

        Finding finding = OfRule(Rules.OtherVmmThanFileNames,
            $"{named.Provenance.Detail}, so that {Restorers.For(capture).Title} restores it and not {restorer.Title}",
            new FindingLocation());
        outcome = outcome with { Findings = [finding, .. outcome.Findings] };
        return force || outcome.Verdict != Verdict.Repairable ? outcome : outcome with
        {
            Verdict = outcome.RefusedCall is null && !outcome.Differences.IsEmpty ? Verdict.Differs : Verdict.Refused,
            Repairs = [],
            Repaired = null,
            DiffersAfterRepair = false,
        };
    }

    private static TargetOutcome OnKvm(Capture written, LinuxHost host, RehearsalOptions options, KvmRestorer kvm, FactChoices choices)
    {
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        Capture known = AssumedContext.Complete(StoredImage.AtHostOffsets(written, host), host, options, choices);
        if (!ProtectedGuests.ReachesGuest(options.Protection, host.Behavior))
        {
            return ProtectedGuests.Perform(known, host, options.Protection, kvm);
        }

        if (GateStep.Perform(known, host, options, kvm, choices, findings) is { } refused)
        {
            return refused;
        }

        AddLost(findings, known);
        if (host.Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            findings.Add(OfRule(Rules.FlavourNotModelled, $"{host.Record.Name} runs kvm_pvm, whose guests keep the host's CPUID",
                new FindingLocation()));
        }

        FindLeftOut(known, kvm.LeftOut(host), host, kvm, findings);

        if (host.Record.Provenance.Source is FactSource.Inferred or FactSource.Guess)
        {
            findings.Add(OfRule(Rules.HostPutTogether, $"{host.Record.Name} is put together: {host.Record.Provenance.Detail}",
                new FindingLocation()));
        }

        StateComponentSet unplaced = XsaveLeafCompletion.MissingPlaces(host.Record.Cpuid);
        if (!unplaced.IsEmpty || XsaveLeafCompletion.LacksMask(host.Record.Cpuid))
        {
            string what = unplaced.IsEmpty
                ? "announces XSAVE without telling its components" : $"does not tell where {unplaced.Describe()} lie";
            findings.Add(OfRule(Rules.XsaveLeafIncomplete, $"leaf 0xd of {host.Record.Name} {what}: they are taken for absent",
                new FindingLocation(Leaf: "0xd")));
        }

        Attempt attempt = Try(known, host, options, kvm);
        findings.AddRange(attempt.Findings);
        if (attempt.Verdict == Verdict.Same || attempt.Findings.Any(finding => finding.Rule == Rules.AllZeroArea))
        {
            // No repair makes a snapshot of an area that is none.
            return Outcome(attempt, known, host, options) with { Findings = findings.ToImmutable() };
        }

        (Capture repaired, ImmutableArray<RepairStep> steps, ImmutableArray<Finding> obstacles) = Repair(known, host, options.Force);
        (repaired, steps) = RefusedZeros.Drop(repaired, steps, kvm, host, CpuidTable.Empty);
        findings.AddRange(obstacles);
        TargetOutcome outcome = Outcome(attempt, known, host, options) with { Repairs = steps };
        if (steps.IsEmpty || obstacles.Any(o => o.Severity == Severity.Error))
        {
            return outcome with { Findings = findings.ToImmutable() };
        }

        Attempt second = Try(repaired, host, options, kvm);
        findings.AddRange(second.Findings.Where(f => f.Severity == Severity.Error
            && !findings.Any(seen => seen.Rule == f.Rule && seen.Where == f.Where)));
        bool helps = Helps(attempt.Verdict, attempt.Differences.Length, second.Verdict, second.Differences.Length, options.Force);
        return outcome with
        {
            Findings = findings.ToImmutable(),
            Repaired = helps ? repaired : null,
            Verdict = helps && attempt.Verdict != Verdict.Dangerous ? Verdict.Repairable : attempt.Verdict,
            DiffersAfterRepair = helps && second.Verdict != Verdict.Same,
        };
    }

    // Every state, without judging whether that suffices.
    private static (Capture Repaired, ImmutableArray<RepairStep> Steps, ImmutableArray<Finding> Obstacles) Repair(Capture capture,
        LinuxHost host, bool force)
    {
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        ImmutableArray<RepairStep>.Builder steps = ImmutableArray.CreateBuilder<RepairStep>();
        ImmutableArray<Finding>.Builder obstacles = ImmutableArray.CreateBuilder<Finding>();
        foreach (CapturedState state in capture.States)
        {
            StateComponentSet guest = state.GuestCpuid!.Value.UserComponents;
            RepairTarget target = new(host.Layout, host.KvmXcr0, host.MxcsrMask, ImageLength(host, guest));
            Transformed<CapturedState> transformed = RestoreRepair.Assume(state, target, guest, force);
            steps.AddRange(transformed.Steps);
            states.Add(StoredRepair.ForKvm(transformed.Value, steps));
            obstacles.AddRange(transformed.Obstacles);
        }

        return (capture with { States = states.ToImmutable() }, steps.ToImmutable(), obstacles.ToImmutable());
    }

    /// <summary>
    /// Says once of each set of components that lost bytes are no values: neither that they come back nor that they do not is claimed of
    /// them.
    /// </summary>
    internal static void AddLost(ImmutableArray<Finding>.Builder findings, Capture capture)
    {
        string unit = capture.Kind == CaptureKind.Process ? "thread" : "virtual CPU";
        foreach (IGrouping<StateComponentSet, CapturedState> states in capture.States.Where(state => !state.LostComponents.IsEmpty)
            .GroupBy(state => state.LostComponents))
        {
            CapturedState first = states.First();
            string more = states.Count() == 1 ? "" : $" and {states.Count() - 1} more";
            findings.Add(OfRule(Rules.LostRegisters,
                $"of {unit} {first.Id}{more}, {states.Key.Describe()} is not known whole: lost bytes take no part in what is said here",
                new FindingLocation(first.Id, first.Lost[0].Offset)));
        }
    }

    /// <summary>
    /// Whether a repair was worth making: nothing differs any more or, with force, it loads where it did not, or fewer registers differ
    /// than before.
    /// </summary>
    internal static bool Helps(Verdict before, int differencesBefore, Verdict after, int differencesAfter, bool force) =>
        after == Verdict.Same || (force && after == Verdict.Differs && (before != Verdict.Differs || differencesAfter < differencesBefore));

    private static void FindLeftOut(Capture capture, StateComponentSet hidden, LinuxHost host, Restorer vmm,
        ImmutableArray<Finding>.Builder findings)
    {
        foreach (CapturedState state in capture.States.Where(state => state.Stored is not null))
        {
            StateComponentSet lost = StateComponentSet.Empty;
            foreach (XsaveSlot slot in state.Layout!.Value.Slots.Where(slot => hidden.Contains(slot.Component)
                && state.Stored!.XstateBv.Value.Contains(slot.Component)))
            {
                lost = state.Area.Span.Slice(slot.Offset, slot.Size).ContainsAnyExcept((byte)0) ? lost.With(slot.Component) : lost;
            }

            if (!lost.IsEmpty)
            {
                findings.Add(OfRule(Rules.UnannouncedRegistersLeftOut,
                    $"KVM of {host.Record.Name} does not announce {lost.Describe()}: {vmm.Title} leaves the values out and the guest "
                    + "finds zeros", new FindingLocation(state.Id)));
            }
        }
    }

    private static int ImageLength(LinuxHost host, StateComponentSet guest) =>
        guest.Contains(StateComponent.TileData) && host.KvmXcr0.Contains(StateComponent.TileData)
            ? Math.Max(KvmModelMachine.XsaveLength, host.Layout.StandardLengthFor(host.DefaultUserFeatures | TileData))
            : KvmModelMachine.XsaveLength;

    private static Attempt Try(Capture capture, LinuxHost host, RehearsalOptions options, KvmRestorer restorer)
    {
        using KvmModelMachine machine = new(host, options.Protection);
        PerformedRestore performed = RestorePlan.Perform(machine, restorer.Prepare(capture, host), CpuidTable.Empty, restorer,
            options.UsedVcpus(host));
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        ImmutableArray<RegisterDifference>.Builder differences = ImmutableArray.CreateBuilder<RegisterDifference>();
        Verdict verdict = Verdict.Same;
        foreach (PerformedCall failure in performed.Calls.Where(call => !call.Succeeded))
        {
            verdict = Worse(verdict, RefusedCalls.Resumes(restorer, failure) ? Verdict.Differs : Verdict.Refused);
            findings.Add(RefusedCalls.Finding(failure));
        }

        if (verdict == Verdict.Differs)
        {
            findings.Add(OfRule(Rules.FailureIgnored,
                $"{restorer.Title} would ignore the failure and resume the guest with wrong registers", new FindingLocation()));
        }

        for (int i = 0; i < performed.Vcpus.Length; i++)
        {
            RestoredVcpu restored = performed.Vcpus[i];
            if (performed.Calls.Any(call => call.Index == restored.Index && !call.Succeeded && !RefusedCalls.Resumes(restorer, call)))
            {
                continue;
            }

            KvmModelVcpu vcpu = (KvmModelVcpu)restored.Vcpu;
            if (options.Protection == GuestProtection.SevEsBeforeLaunch)
            {
                vcpu.LaunchEncrypted();
            }

            HashSet<uint> unset = [.. performed.Calls.Where(call => call.Index == restored.Index).SelectMany(call => call.UnsetMsrs)
                .Select(msr => msr.Msr.Index)];
            Inspection inspection = new(capture.States[restored.Index], vcpu, host, options) { Unset = unset };
            inspection.Run(findings, differences);
            verdict = Worse(verdict, inspection.Verdict);
        }

        RefusedCalls.AddUnset(findings, performed, restorer);
        if (differences.Count > 0)
        {
            verdict = Worse(verdict, Verdict.Differs);
        }

        return new Attempt(verdict, performed, findings.ToImmutable(), differences.ToImmutable());
    }

    private static Verdict Worse(Verdict a, Verdict b) => a > b ? a : b;

    internal static Finding OfRule(Rule rule, string message, FindingLocation where) => rule.At(where, message);

    private static TargetOutcome Outcome(Attempt attempt, Capture rehearsed, LinuxHost host, RehearsalOptions options)
    {
        PerformedCall? failure = attempt.Performed.FirstFailure;
        return new TargetOutcome
        {
            Host = host.Record.Name,
            Kernel = host.Behavior.Name,
            Vmm = options.Vmm ?? Restorers.Default,
            Verdict = attempt.Verdict,
            Errno = failure?.Reply.Errno ?? Errno.None,
            RefusedCall = failure?.Call,
            Differences = attempt.Differences,
            Rehearsed = rehearsed,
            Performed = attempt.Performed,
        };
    }

    private sealed record Attempt(
        Verdict Verdict, PerformedRestore Performed, ImmutableArray<Finding> Findings, ImmutableArray<RegisterDifference> Differences);
}
