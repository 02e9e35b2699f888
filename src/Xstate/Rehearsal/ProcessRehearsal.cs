using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// Performs the restore of a process's threads on a modelled host, as CRIU does it: each thread returns from a signal frame that CRIU
/// builds for the target's processor. Then the registers are read back as a debugger would, and compared. What a restore does not show is
/// said beside it: a C library that remembers another processor.
/// </summary>
/// <threadsafety>Any thread: a rehearsal changes neither the capture nor the host.</threadsafety>
public static class ProcessRehearsal
{
    /// <summary>Rehearses a process on a host, and, where it does not come back the same, rehearses its repair.</summary>
    public static TargetOutcome Perform(Capture capture, LinuxHost host, RehearsalOptions? options = null) =>
        RestoreRehearsal.Perform(capture, host, options);

    /// <summary>One rehearsal of a process whose layout is known or assumed.</summary>
    internal static TargetOutcome Once(Capture known, LinuxHost host, RehearsalOptions options, FactChoices choices)
    {
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        RestoreRehearsal.AddLost(findings, known);
        CriuRelease release = options.Criu ?? ReleaseFor(known, host, choices);
        CriuRestore restore = new(host, release, options.CpuCheck, UnrecordedState.Choose(known, host, release, choices));
        Attempt attempt = restore.Perform(known);
        findings.AddRange(attempt.Findings);
        AddHazards(findings, known, host);
        findings.AddRange(DefaultKey.Check(known));
        TargetOutcome outcome = new()
        {
            Host = host.Record.Name,
            Kernel = host.Behavior.Name,
            Vmm = restore.Release,
            Verdict = attempt.Verdict,
            RefusedCall = attempt.RefusedCall,
            Errno = attempt.Errno,
            Differences = attempt.Differences,
            Rehearsed = known,
        };
        if (attempt.Verdict == Verdict.Same)
        {
            return outcome with { Findings = findings.ToImmutable() };
        }

        (Capture repaired, ImmutableArray<RepairStep> steps, ImmutableArray<Finding> obstacles) = Repair(known, host, options.Force);
        findings.AddRange(obstacles);
        bool helps = false;
        bool differs = false;
        if (!steps.IsEmpty && !obstacles.Any(obstacle => obstacle.Severity == Severity.Error))
        {
            Attempt after = restore.Perform(repaired);
            helps = RestoreRehearsal.Helps(attempt.Verdict, attempt.Differences.Length, after.Verdict, after.Differences.Length,
                options.Force);
            differs = after.Verdict != Verdict.Same;
        }

        return outcome with
        {
            Verdict = helps ? Verdict.Repairable : attempt.Verdict,
            DiffersAfterRepair = helps && differs,
            Findings = findings.ToImmutable(),
            Repairs = steps,
            Repaired = helps ? repaired : null,
        };
    }

    // Asked only where releases can come to different ends: a shadow stack, unused components with something in them, and MXCSR, which goes
    // with AVX.
    private static CriuRelease ReleaseFor(Capture known, LinuxHost host, FactChoices choices)
    {
        if (!known.States.Any(state => CriuRestore.DependsOnRelease(state, host)))
        {
            return CriuRelease.From4Dot0;
        }

        OpenFact fact = new(OpenFact.Vmm, "criu", "which CRIU restores is not known", "--criu RELEASE, such as 3.17 or 4.2",
            [.. CriuRelease.All.Select(release => release == CriuRelease.From4Dot0 ? "CRIU 4.0 and later" : release.Title)]);
        return CriuRelease.All[choices.Choose(fact)];
    }

    /// <summary>
    /// A process that uses everything its processor has, for a question about processors alone: may processes that were started on this one
    /// run on that host? What a process has not in use it cannot lose.
    /// </summary>
    /// <param name="source">CPUID of the processor, such as CRIU's cpuinfo.img; sub-leaves of 0xD may be missing.</param>
    public static Capture ProbeOf(CpuidDump source)
    {
        ArgumentNullException.ThrowIfNull(source);
        StateComponentSet components = CriuFrame.ComponentsOf(source.Cpuid);
        uint mask = ProcessorIdentity.From(source.Cpuid).MxcsrMask;
        XsaveLayout told = XsaveLayout.FromCpuid(source.Cpuid);
        bool complete = told.UserComponents.ContainsAll(components);
        ImmutableArray<LayoutFamily> families = LayoutInference.Candidates(components, null, mask);
        XsaveLayout layout = complete ? told.Restrict(components) : families.IsEmpty ? LayoutFamily.All[0].Layout : families[0].Layout;
        byte[] area = new byte[layout.StandardLengthFor(components)];
        new XsaveAreaWriter(area).WriteInitialControls().WriteMxcsrMask(mask).WriteXstateBv(components);
        area.AsSpan(LegacyRegion.PiecesOf(StateComponent.Sse)[0]).Fill(0x11);
        foreach (StateComponent component in components.Except(StateComponentSet.Legacy))
        {
            // Registers that any value is right for; the bound configuration has reserved bits, and PKRU shall leave key 0 open.
            if (layout.TryGetSlot(component, out XsaveSlot slot) && component != StateComponent.BndCsr)
            {
                area.AsSpan(slot.Offset, component == StateComponent.Pkru ? sizeof(uint) : slot.Size)
                    .Fill(component == StateComponent.Pkru ? (byte)0x44 : (byte)0x11);
            }
        }

        CapturedState thread = new()
        {
            Id = 0,
            Area = area,
            Layout = new Fact<XsaveLayout>(layout, FactSource.Inferred, "a thread that uses everything the processor has"),
            Xcr0 = new Fact<StateComponentSet>(components, FactSource.Inferred, "leaf 0xd.0"),
            GuestCpuid = new Fact<CpuidTable>(source.Cpuid, FactSource.Artifact, source.Format),
        };
        return new Capture
        {
            Format = source.Format,
            Kind = CaptureKind.Process,
            States = [thread],
            Note = "a thread that uses everything the processor has"
        };
    }

    private static (Capture Repaired, ImmutableArray<RepairStep> Steps, ImmutableArray<Finding> Obstacles) Repair(Capture capture,
        LinuxHost host, bool force)
    {
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>();
        ImmutableArray<RepairStep>.Builder steps = ImmutableArray.CreateBuilder<RepairStep>();
        ImmutableArray<Finding>.Builder obstacles = ImmutableArray.CreateBuilder<Finding>();
        foreach (CapturedState state in capture.States)
        {
            // CRIU places components by name on the target, so an image keeps the offsets that it has.
            RepairTarget target = new(state.Layout!.Value, host.UserFeatures, host.MxcsrMask, state.Area.Length);
            Transformed<CapturedState> transformed = RestoreRepair.Assume(state, target, state.Components, force, CaptureKind.Process);
            states.Add(transformed.Value);
            steps.AddRange(transformed.Steps);
            obstacles.AddRange(transformed.Obstacles);
        }

        return (capture with { States = states.ToImmutable() }, steps.ToImmutable(), obstacles.ToImmutable());
    }

    private static void AddHazards(ImmutableArray<Finding>.Builder findings, Capture capture, LinuxHost host)
    {
        // The components of the processor that the process was started on are those of any thread that the file holds whole.
        CpuidTable? source = capture.States[0].GuestCpuid?.Value;
        CapturedState? whole = source is not null ? capture.States[0] : capture.States.FirstOrDefault(state => state.Recorded is null);
        if (whole is not null)
        {
            AddLinkerHazard(findings, whole, source, host);
        }

        SignalStackHazard.Check(findings, capture, host);
        if (source is null)
        {
            return;
        }

        if (CriuProcessorCheck.Sizes(source, host) is { } sizes)
        {
            findings.Add(RestoreRehearsal.OfRule(Rules.CpuinfoCheckRefuses,
                $"criu cpuinfo check --cpu-cap fpu refuses this target because {sizes}, whatever the restore would do",
                new FindingLocation(Leaf: "0xd.0.ebx")));
        }

        AddMissingFeatures(findings, source, host.Record.Cpuid);
    }

    // The C library of a process computes the size of its buffer when the process starts, and never again.
    private static void AddLinkerHazard(ImmutableArray<Finding>.Builder findings, CapturedState state, CpuidTable? source, LinuxHost host)
    {
        if (!host.HasXsave)
        {
            return;
        }

        StateComponentSet components = source is not null ? CriuFrame.ComponentsOf(source) : state.Components;
        int standard = source is not null ? (int)source.EnabledAreaLength : state.Layout!.Value.StandardLengthFor(components);
        bool? xsavec = HasXsavec(source, components);
        bool targetHasXsavec = host.Record.Cpuid.Has(CpuidFeatures.Xsavec);
        foreach (bool usesXsavec in (ReadOnlySpan<bool>)(xsavec is { } sure ? [sure] : [true, false]))
        {
            if (usesXsavec && !targetHasXsavec)
            {
                if (xsavec == true)
                {
                    findings.Add(RestoreRehearsal.OfRule(Rules.DynamicLinkerAreaTooSmall,
                        $"the dynamic linker of the process saves vector registers with XSAVEC, which {host.Record.Name} lacks: #UD at "
                        + "the first lazily bound call", new FindingLocation(Leaf: "0xd.1.eax")));
                }

                continue;
            }

            DynamicLinker linker = DynamicLinker.StartedOn(components, usesXsavec, standard);
            int written = linker.WrittenOn(host);
            if (written > linker.Room)
            {
                string how = usesXsavec ? "XSAVEC" : "XSAVE";
                string doubt = xsavec is null ? $", if its processor {(usesXsavec ? "has" : "lacks")} XSAVEC, which nothing here tells"
                    : "";
                findings.Add(RestoreRehearsal.OfRule(Rules.DynamicLinkerAreaTooSmall,
                    $"the dynamic linker of the process keeps {linker.Room} bytes for vector registers, for {components.Describe()}; "
                    + $"{how} on {host.Record.Name} writes {written}{doubt}", new FindingLocation(Leaf: "0xd.0.ebx")) with
                {
                    Found = $"{linker.Room} bytes",
                    Expected = $"{written} bytes",
                    Severity = xsavec is null && !usesXsavec ? Severity.Warning : Severity.Error,
                });
                if (xsavec is null)
                {
                    return;
                }
            }
        }
    }

    // Every processor with one of these components has XSAVEC, but for Knights Landing.
    private static bool? HasXsavec(CpuidTable? source, StateComponentSet components)
    {
        if (source is not null && source.TryRead(CpuidTable.XsaveLeaf, 1, out CpuidRegisters leaf))
        {
            return CpuidFeatures.Xsavec.IsIn(leaf);
        }

        return components.Overlaps(StateComponentSet.Of(StateComponent.BndCsr, StateComponent.Opmask, StateComponent.Pkru)) ? true : null;
    }

    // Programs choose their code by CPUID when they start.
    private static void AddMissingFeatures(ImmutableArray<Finding>.Builder findings, CpuidTable source, CpuidTable target)
    {
        List<CpuidFeature> missing =
        [
            .. CpuidFeatures.All.Where(feature => feature.IsChosenByPrograms && feature.IsIn(source) && !GuestPromises.IsIn(feature, target)
                && GuestPromises.IsRecorded(feature, target)),
        ];
        if (missing.Count > 0)
        {
            string names = GuestPromises.Names(missing);
            string what = $"the processor where the process started has instructions that the target lacks: {names}";
            findings.Add(RestoreRehearsal.OfRule(Rules.InstructionsLacking, what, new FindingLocation(Leaf: Leaf(missing[0]))));
        }
    }

    private static string Leaf(CpuidFeature feature) =>
        FormattableString.Invariant(
            $"{feature.Leaf:x}.{feature.Subleaf:x}:{feature.Register.ToString().ToUpperInvariant()}[{feature.Bit}]");
}
