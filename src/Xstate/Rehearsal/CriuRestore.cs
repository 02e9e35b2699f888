using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>What one restore of a process came to.</summary>
internal sealed record Attempt(Verdict Verdict, string? RefusedCall, Errno Errno, ImmutableArray<Finding> Findings,
    ImmutableArray<RegisterDifference> Differences);

/// <summary>
/// Restores the threads of a process on a modelled host as a release of CRIU does: first what CRIU itself compares, then shadow stacks,
/// then each thread's return from a frame of CRIU's making.
/// </summary>
/// <param name="host">The target.</param>
/// <param name="release">The CRIU that restores.</param>
/// <param name="check">What of cpuinfo.img is compared; null as without <c>--cpu-cap</c>.</param>
/// <param name="unrecorded">What is assumed of threads whose file does not hold all of their state; null where it does.</param>
internal sealed class CriuRestore(LinuxHost host, CriuRelease release, CriuCpuCheck? check, UnrecordedState? unrecorded)
{
    private readonly ImmutableArray<Finding>.Builder _findings = ImmutableArray.CreateBuilder<Finding>();
    private readonly ImmutableArray<RegisterDifference>.Builder _differences = ImmutableArray.CreateBuilder<RegisterDifference>();
    private Verdict _verdict;
    private string? _refusedCall;
    private Errno _errno;

    /// <summary>The CRIU that restores.</summary>
    public CriuRelease Release => release;

    /// <summary>Restores every thread.</summary>
    public Attempt Perform(Capture capture)
    {
        (_verdict, _refusedCall, _errno) = (Verdict.Same, null, Errno.None);
        _findings.Clear();
        _differences.Clear();
        if (CompareProcessors(capture.States[0]))
        {
            foreach (CapturedState state in capture.States)
            {
                RestoreShadowStack(state);
                Restore(state);
            }
        }

        return new Attempt(_verdict, _refusedCall, _errno, _findings.ToImmutable(), _differences.ToImmutable());
    }

    /// <summary>Whether releases of CRIU can come to different ends with a thread.</summary>
    public static bool DependsOnRelease(CapturedState state, LinuxHost host)
    {
        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout!.Value;
        StateComponentSet unused = (state.Components & CriuFrame.Carried & host.UserFeatures)
            .Except(area.XstateBv | StateComponentSet.Legacy);
        bool hasStale = false;
        foreach (StateComponent component in unused)
        {
            hasStale |= area.TryGetComponent(component, layout, out ReadOnlySpan<byte> bytes) && bytes.IndexOfAnyExcept((byte)0) >= 0;
        }

        bool losesMxcsr = unused.Contains(StateComponent.Avx) && MxcsrGoesWithAvx(state, host);
        return hasStale || losesMxcsr || UnrecordedState.DecidesMxcsr(state, host) || HasShadowStack(state);
    }

    /// <summary>Whether a thread has a shadow stack: CRIU writes a pointer of zero for one that has none.</summary>
    public static bool HasShadowStack(CapturedState state) => state.Msrs.GetValueOrDefault(MsrNames.UserShadowStackPointer) != 0;

    /// <summary>
    /// Whether a thread that does not use AVX gets another MXCSR than it had, because the kernel loads AVX from its initial
    /// image in the standard format.
    /// </summary>
    public static bool MxcsrGoesWithAvx(CapturedState state, LinuxHost host) =>
        state.ReadArea().Mxcsr != Mxcsr.Initial && host.UserFeatures.Contains(StateComponent.Avx) && !host.UsesCompactedBuffers;

    private void Refuse(string call, Errno errno, Finding finding)
    {
        (_verdict, _errno) = (Verdict.Refused, _refusedCall is null ? errno : _errno);
        _refusedCall ??= call;
        _findings.Add(finding);
    }

    private void Differ() => _verdict = _verdict > Verdict.Differs ? _verdict : Verdict.Differs;

    // cpu_validate_cpuinfo, which restore calls only with --cpu-cap.
    private bool CompareProcessors(CapturedState first)
    {
        if (check is null or CriuCpuCheck.None)
        {
            return true;
        }

        string? why = first.GuestCpuid is { } source
            ? CriuProcessorCheck.Refusal(source.Value, host, check.Value) : "the dump has no cpuinfo.img, which --cpu-cap asks for";
        if (why is not null)
        {
            Refuse("cpu_validate_cpuinfo", Errno.None, Rules.CriuRefusesProcessor.At(new FindingLocation(),
                $"CRIU's own check ends the restore before any thread is made: {why}"));
        }

        return why is null;
    }

    // task_needs_shstk, arch_shstk_trampoline (criu/arch/x86/shstk.c).
    private void RestoreShadowStack(CapturedState state)
    {
        if (!HasShadowStack(state))
        {
            return;
        }

        ulong pointer = state.Msrs[MsrNames.UserShadowStackPointer];
        FindingLocation where = new(state.Id, Register: "ssp");
        if (!release.RestoresShadowStacks)
        {
            Lose($"{release} does not restore its shadow stack");
        }
        else if (!LinuxHost.HasShadowStack(host.Record.Cpuid))
        {
            Lose($"{host.Record.Name} has no shadow stacks: CRIU warns and goes on without");
        }
        else if (!host.Behavior.Has(KernelDifference.UserShadowStack))
        {
            Refuse("arch_prctl(ARCH_SHSTK_ENABLE)", Errno.EINVAL, Rules.ShadowStackLost.At(where,
                $"{host.Record.Name} has shadow stacks and {host.Behavior.Name} does not offer them to processes: CRIU's arch_prctl is "
                + "refused, and the restore ends") with
            {
                Since = KernelDifference.UserShadowStack.Affected,
            });
        }

        void Lose(string why)
        {
            Differ();
            _findings.Add(Rules.ShadowStackLost.At(where, $"the thread has a shadow stack at 0x{pointer:x}, and {why}"));
        }
    }

    private void Restore(CapturedState state)
    {
        CriuFrame built = CriuFrame.Build(state, host, release, check == CriuCpuCheck.None, unrecorded);
        AddDropped(built, state);
        if (built.Frame is not { } frame)
        {
            CriuRefusal refusal = built.Refusal!;
            Refuse(refusal.Step, Errno.None, refusal.Rule.At(new FindingLocation(state.Id), $"CRIU gives up: {refusal.Message}"));
            return;
        }

        LinuxTask task = new(host);
        SignalReturn answer = task.Sigreturn(frame, state.Is32Bit);
        if (answer.Killed)
        {
            Refuse("rt_sigreturn", Errno.None, Rules.ThreadKilled.At(new FindingLocation(state.Id),
                $"the kernel does not take the frame and kills the thread with SIGSEGV: {answer.Why?.Message}"));
            return;
        }

        int before = _differences.Count;
        Compare(state, task);
        if (_differences.Count > before)
        {
            Differ();
            string[] changed = [.. _differences.Skip(before).Select(difference => difference.Register)];
            Explain(state, frame, answer, changed);
        }
    }

    private void Explain(CapturedState state, SignalFrame frame, SignalReturn answer, string[] changed)
    {
        if (answer.Why is { } silent)
        {
            _findings.Add(silent.Rule.At(new FindingLocation(state.Id, silent.Offset),
                $"CRIU's frame is taken in part: {silent.Message}") with
            {
                Found = silent.Found,
                Expected = silent.Expected,
                Since = silent.Since,
            });
        }
        else if (changed.Contains("mxcsr") && host.HasXsave && !frame.XstateBv.Contains(StateComponent.Avx)
            && host.UserFeatures.Contains(StateComponent.Avx) && !host.UsesCompactedBuffers)
        {
            _findings.Add(Rules.MxcsrGoesWithAvx.At(new FindingLocation(state.Id, XsaveFormat.MxcsrOffset, Register: "mxcsr"),
                $"the thread does not use AVX, so {release} leaves it out of the frame; the kernel of {host.Record.Name} then loads AVX "
                + "from its initial image in the standard format, and MXCSR comes with it"));
        }

        string names = string.Join(", ", changed.Take(4)) + (changed.Length > 4 ? $" and {changed.Length - 4} more" : "");
        string why = answer.FxOnly && host.HasXsave ? "; the kernel took x87 and SSE only" : "";
        _findings.Add(Rules.RegisterDiffers.At(new FindingLocation(state.Id, Register: changed[0]),
            $"after the restore the thread finds other values in {names}{why}"));
    }

    private void AddDropped(CriuFrame built, CapturedState state)
    {
        FindingLocation where = new(state.Id, XsaveFormat.XstateBvOffset);
        StateComponentSet foreign = state.ReadArea().XstateBv.Except(CriuFrame.Carried);
        if (!foreign.IsEmpty)
        {
            _findings.Add(Rules.CriuComponentNotCarried.At(where, $"the thread used {foreign.Describe()}, which CRIU does not carry"));
        }

        if (!built.Dropped.IsEmpty)
        {
            _findings.Add(Rules.CriuComponentDropped.At(where,
                $"the thread uses {built.Dropped.Describe()}, which {host.Record.Name} lacks: CRIU leaves it out without a word"));
        }
    }

    private void Compare(CapturedState state, LinuxTask task)
    {
        StateComponentSet components = state.Components;
        if (!task.GetXstate(out byte[] image).IsSuccess)
        {
            task.GetFpregs(out byte[] legacy);
            image = new byte[XsaveFormat.ExtendedOffset];
            legacy.CopyTo(image, 0);
            new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Legacy);
        }

        // The kernel's signature of its own mask would read as the thread's; the components are asked for by name.
        CapturedState after = state with
        {
            Area = image,
            Layout = new Fact<XsaveLayout>(host.Layout, FactSource.Inferred, "the target's"),
            Lost = []
        };
        Dictionary<string, string> found = RegisterDump.Of(after, components)
            .ToDictionary(register => register.Name, register => register.Text);
        foreach (RegisterValue register in RegisterDump.Of(state, components))
        {
            string now = found.GetValueOrDefault(register.Name, "absent");
            if (!register.CanBe(now))
            {
                _differences.Add(new RegisterDifference(state.Id, register.Name, register.Text, now));
            }
        }
    }
}
