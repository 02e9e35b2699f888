using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>What a rehearsal assumes beyond the capture and the target.</summary>
public sealed record RehearsalOptions
{
    /// <summary>The VMM whose restore is followed; null for the one that restores the capture's format (<see cref="Restorers.For"/>).</summary>
    public Restorer? Vmm { get; init; }

    /// <summary>The guest's CPUID for states that carry none; null assumes what the target supports.</summary>
    public CpuidTable? GuestCpuid { get; init; }

    /// <summary>PKRU that the virtual CPUs hold beforehand; null for fresh ones.</summary>
    public uint? PreviousPkru { get; init; }

    /// <summary>The state that the virtual CPUs hold beforehand, of which <see cref="PreviousPkru"/> is a part that wins; null for fresh ones.</summary>
    public Capture? PreviousState { get; init; }

    /// <summary>How the guest is protected from the host.</summary>
    public GuestProtection Protection { get; init; }

    /// <summary>Whether repairs may drop state that the guest can see.</summary>
    public bool Force { get; init; }

    /// <summary>The VMM whose restore of a capture is followed.</summary>
    public Restorer RestorerOf(Capture capture) => Vmm ?? Restorers.For(capture);

    /// <summary>What the virtual CPUs hold beforehand on a host; null for fresh ones.</summary>
    public UsedVcpus? UsedVcpus(LinuxHost host) => PreviousState is null && PreviousPkru is null ? null : new UsedVcpus(host, PreviousState, PreviousPkru);
}

/// <summary>
/// Performs the restore of a capture on a modelled host and compares what the guest would see. There is no list of compatibility rules here: refusals, losses and stale values are what the
/// model answers.
/// </summary>
public static class RestoreRehearsal
{
    private static readonly StateComponentSet TileData = StateComponentSet.Of(StateComponent.TileData);

    /// <summary>Rehearses a capture on a host (a process as CRIU restores one), and, where it does not load the same, rehearses its repair.</summary>
    public static TargetOutcome Perform(Capture capture, LinuxHost host, RehearsalOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        if (capture.Kind == CaptureKind.Process)
        {
            return ProcessRehearsal.Perform(capture, host, options);
        }

        options ??= new RehearsalOptions();
        Restorer restorer = options.RestorerOf(capture);
        options = options with { Vmm = restorer };
        if (restorer is not KvmRestorer kvm)
        {
            return TcgLoad.Perform(capture, host, restorer, options.Force);
        }

        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        Capture known = StoredImage.AtHostOffsets(WithLayouts(capture, host, findings), host);
        AddLost(findings, known);
        CpuidTable fallback = GuestCpuid(capture, host, options, findings);
        if (host.Behavior.Has(KernelDifference.KvmPvmHostCpuid))
        {
            findings.Add(OfRule("XS0704", $"{host.Record.Name} runs kvm_pvm, whose guests keep the host's CPUID", new FindingLocation()));
        }

        FindLeftOut(known, kvm.LeftOut(host), host, kvm, findings);

        if (host.Record.Provenance.Source is FactSource.Inferred or FactSource.Guess)
        {
            findings.Add(OfRule("XS1217", $"{host.Record.Name} is put together: {host.Record.Provenance.Detail}", new FindingLocation()));
        }

        StateComponentSet unplaced = XsaveLeafCompletion.MissingPlaces(host.Record.Cpuid);
        if (!unplaced.IsEmpty || XsaveLeafCompletion.LacksMask(host.Record.Cpuid))
        {
            string what = unplaced.IsEmpty ? "announces XSAVE without telling its components" : $"does not tell where {unplaced.Describe()} lie";
            findings.Add(OfRule("XS0703", $"leaf 0xd of {host.Record.Name} {what}: they are taken for absent", new FindingLocation(Leaf: "0xd")));
        }

        Attempt attempt = Try(known, host, fallback, options, kvm);
        findings.AddRange(attempt.Findings);
        if (attempt.Verdict == Verdict.Same)
        {
            return Outcome(attempt, host, options, findings, [], null);
        }

        (Capture repaired, ImmutableArray<RepairStep> steps, ImmutableArray<Finding> obstacles) = Repair(known, host, fallback, options.Force);
        (repaired, steps) = RefusedZeros.Drop(repaired, steps, kvm, host, fallback);
        findings.AddRange(obstacles);
        if (steps.IsEmpty || obstacles.Any(o => o.Severity == Severity.Error))
        {
            return Outcome(attempt, host, options, findings, steps, null);
        }

        Attempt second = Try(repaired, host, fallback, options, kvm);
        findings.AddRange(second.Findings.Where(f => f.Severity == Severity.Error && !findings.Any(seen => seen.Rule == f.Rule && seen.Where == f.Where)));
        bool helps = Helps(attempt.Verdict, attempt.Differences.Length, second.Verdict, second.Differences.Length, options.Force);
        return Outcome(attempt, host, options, findings, steps, helps ? repaired : null);
    }

    /// <summary>Repairs every state of a capture for a host, without judging whether that suffices.</summary>
    public static (Capture Repaired, ImmutableArray<RepairStep> Steps, ImmutableArray<Finding> Obstacles) Repair(
        Capture capture, LinuxHost host, CpuidTable guestCpuid, bool force)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        ImmutableArray<RepairStep>.Builder steps = ImmutableArray.CreateBuilder<RepairStep>();
        ImmutableArray<Finding>.Builder obstacles = ImmutableArray.CreateBuilder<Finding>();
        foreach (CapturedState state in capture.States)
        {
            StateComponentSet guest = GuestComponents(state, guestCpuid);
            RepairTarget target = new(host.Layout, host.KvmXcr0, host.MxcsrMask, ImageLength(host, guest));
            Transformed<CapturedState> transformed = RestoreRepair.Apply(state, target, guest, force);
            steps.AddRange(transformed.Steps);
            states.Add(StoredRepair.ForKvm(transformed.Value, steps));
            obstacles.AddRange(transformed.Obstacles);
        }

        return (capture with { States = states.ToImmutable() }, steps.ToImmutable(), obstacles.ToImmutable());
    }

    /// <summary>The guest's CPUID for states that carry none: what was given, else what the target supports.</summary>
    public static CpuidTable FallbackCpuid(LinuxHost host, RehearsalOptions options)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(options);
        return options.GuestCpuid ?? SupportedCpuid.Of(host, host.DefaultUserFeatures);
    }

    /// <summary>The capture with a layout on every state: the target's where none is known, which is a guess and said so.</summary>
    public static Capture WithLayouts(Capture capture, LinuxHost host, ICollection<Finding>? findings = null)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        if (capture.States.All(state => state.Layout is not null))
        {
            return capture;
        }

        findings?.Add(OfRule("XS0701", $"nothing tells which processor wrote the image; the layout of {host.Record.Name} is assumed", new FindingLocation()));
        Fact<XsaveLayout> guess = new(host.Layout, FactSource.Guess, $"layout of the target {host.Record.Name}");
        return capture with { States = [.. capture.States.Select(state => state.Layout is null ? state with { Layout = guess } : state)] };
    }

    /// <summary>Says once of each set of components that lost bytes are no values: neither that they come back nor that they do not is claimed of them.</summary>
    internal static void AddLost(ImmutableArray<Finding>.Builder findings, Capture capture)
    {
        string unit = capture.Kind == CaptureKind.Process ? "thread" : "virtual CPU";
        foreach (IGrouping<StateComponentSet, CapturedState> states in capture.States.Where(state => !state.LostComponents.IsEmpty).GroupBy(state => state.LostComponents))
        {
            CapturedState first = states.First();
            string more = states.Count() == 1 ? "" : $" and {states.Count() - 1} more";
            findings.Add(OfRule("XS0706", $"of {unit} {first.Id}{more}, {states.Key.Describe()} is not known whole: lost bytes take no part in what is said here", new FindingLocation(first.Id, first.Lost[0].Offset)));
        }
    }

    /// <summary>What the guest could use: the components in its CPUID and, where that is only assumed, those that it had enabled in XCR0.</summary>
    internal static StateComponentSet GuestComponents(CapturedState state, CpuidTable fallback) =>
        RestorePlan.CpuidOf(state, fallback).UserComponents | (state.GuestCpuid is null && state.Xcr0 is { } enabled ? enabled.Value & StateComponents.UserComponents : StateComponentSet.Empty);

    /// <summary>Whether a repair was worth making: nothing differs any more or, with force, it loads where it did not, or fewer registers differ than before.</summary>
    internal static bool Helps(Verdict before, int differencesBefore, Verdict after, int differencesAfter, bool force) =>
        after == Verdict.Same || (force && after == Verdict.Differs && (before != Verdict.Differs || differencesAfter < differencesBefore));

    private static CpuidTable GuestCpuid(Capture capture, LinuxHost host, RehearsalOptions options, ImmutableArray<Finding>.Builder findings)
    {
        if (options.GuestCpuid is null && capture.States.Any(state => state.GuestCpuid is null))
        {
            findings.Add(OfRule("XS0702", $"the guest's CPUID is not known; all that {host.Record.Name} supports is assumed", new FindingLocation()));
        }

        return FallbackCpuid(host, options);
    }

    private static void FindLeftOut(Capture capture, StateComponentSet hidden, LinuxHost host, Restorer vmm, ImmutableArray<Finding>.Builder findings)
    {
        foreach (CapturedState state in capture.States.Where(state => state.Stored is not null))
        {
            StateComponentSet lost = StateComponentSet.Empty;
            foreach (XsaveSlot slot in state.Layout!.Value.Slots.Where(slot => hidden.Contains(slot.Component) && state.Stored!.XstateBv.Value.Contains(slot.Component)))
            {
                lost = state.Area.Span.Slice(slot.Offset, slot.Size).ContainsAnyExcept((byte)0) ? lost.With(slot.Component) : lost;
            }

            if (!lost.IsEmpty)
            {
                findings.Add(OfRule("XS0910", $"KVM of {host.Record.Name} does not announce {lost.Describe()}: {vmm.Title} leaves the values out and the guest finds zeros", new FindingLocation(state.Id)));
            }
        }
    }

    private static int ImageLength(LinuxHost host, StateComponentSet guest) =>
        guest.Contains(StateComponent.TileData) && host.KvmXcr0.Contains(StateComponent.TileData)
            ? Math.Max(KvmModelMachine.XsaveLength, host.Layout.StandardLengthFor(host.DefaultUserFeatures | TileData))
            : KvmModelMachine.XsaveLength;

    private static Attempt Try(Capture capture, LinuxHost host, CpuidTable fallback, RehearsalOptions options, KvmRestorer restorer)
    {
        using KvmModelMachine machine = new(host, options.Protection);
        PerformedRestore performed = RestorePlan.Perform(machine, restorer.Prepare(capture, host), fallback, restorer, options.UsedVcpus(host));
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
            findings.Add(OfRule("XS0602", $"{restorer.Title} would ignore the failure and resume the guest with wrong registers", new FindingLocation()));
        }

        for (int i = 0; i < performed.Vcpus.Length; i++)
        {
            RestoredVcpu restored = performed.Vcpus[i];
            CapturedState state = capture.States.First(s => s.Id == restored.Id);
            if (performed.Calls.Any(call => call.Vcpu == restored.Id && !call.Succeeded && !RefusedCalls.Resumes(restorer, call)))
            {
                continue;
            }

            KvmModelVcpu vcpu = (KvmModelVcpu)restored.Vcpu;
            HashSet<uint> unset = [.. performed.Calls.Where(call => call.Vcpu == restored.Id).SelectMany(call => call.UnsetMsrs).Select(msr => msr.Msr.Index)];
            Inspection inspection = new(state, vcpu, host, RestorePlan.CpuidOf(state, fallback), options) { Unset = unset };
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

    internal static Finding OfRule(string id, string message, FindingLocation where)
    {
        Rule rule = RuleCatalog.Find(id) ?? throw new ArgumentOutOfRangeException(nameof(id), id, "no such rule");
        return new Finding(rule.Id, rule.Severity, message) { Where = where, Mend = rule.Mend };
    }

    private static TargetOutcome Outcome(
        Attempt attempt, LinuxHost host, RehearsalOptions options, ImmutableArray<Finding>.Builder findings, ImmutableArray<RepairStep> repairs, Capture? repaired)
    {
        bool repairable = repaired is not null && attempt.Verdict != Verdict.Dangerous;
        PerformedCall? failure = attempt.Performed.FirstFailure;
        return new TargetOutcome
        {
            Host = host.Record.Name,
            Kernel = host.Behavior.Name,
            Vmm = options.Vmm ?? Restorers.Default,
            Verdict = repairable ? Verdict.Repairable : attempt.Verdict,
            Errno = failure?.Reply.Errno ?? Errno.None,
            RefusedCall = failure?.Call,
            Findings = findings.ToImmutable(),
            Differences = attempt.Differences,
            Repairs = repairs,
            Repaired = repaired,
            Performed = attempt.Performed,
        };
    }

    private sealed record Attempt(
        Verdict Verdict, PerformedRestore Performed, ImmutableArray<Finding> Findings, ImmutableArray<RegisterDifference> Differences);
}
