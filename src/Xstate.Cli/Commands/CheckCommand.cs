using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Transforms;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate check FILE --on HOST…</c>: will it load there, why not, and what would the guest see; without a host, whether a process contradicts itself.</summary>
internal static class CheckCommand
{
    public static Command Create()
    {
        Argument<string?> file = new("FILE") { Arity = ArgumentArity.ZeroOrOne, Description = "A state, a directory that criu dump wrote, - for standard input, or --pid N for a running process." };
        Option<string[]> on = new("--on") { Description = "A host record, a CPUID dump or 'local', with @linux-X.Y behind it to name the kernel. Without it a process is held against itself.", AllowMultipleArgumentsPerToken = true };
        Option<bool> prove = new("--prove") { Description = "Also perform the restore on the real /dev/kvm, in a throw-away VM (with --on local)." };
        Option<string[]> accept = new("--accept") { Description = "Verdicts beside same that count as fine for the exit code, such as unknown,repairable.", AllowMultipleArgumentsPerToken = true };
        Option<string?> require = new("--require") { Description = "cpuid: exit 1 when the guest's CPUID is not known, so that its features were not looked at." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        Command command = new("check", "Rehearse the restore of a state on hosts and say what would happen and why.") { file, on, prove, accept, require };
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            Demands demands = Demands.Read(parsed.GetValue(accept) ?? [], parsed.GetValue(require));
            string path = parsed.GetValue(file) ?? throw new UsageException("check needs FILE");
            return Run(path, new Question(parsed.GetValue(on)!, parsed.GetValue(prove), demands), parsed, restore, options);
        });
        return command;
    }

    private static int Run(string file, Question question, ParseResult parsed, RestoreOptions restore, CommonOptions options)
    {
        (string[] hosts, bool prove, Demands demands) = question;
        if (prove && !hosts.Contains("local"))
        {
            throw new UsageException("--prove needs --on local: only this machine's kernel can be asked");
        }

        if (hosts.Length == 0)
        {
            return CheckAlone(file, parsed, options);
        }

        Artifact artifact = ArtifactInput.Open(file, parsed.GetValue(options.Format));
        Capture capture = ArtifactInput.WithContext(CaptureOf(artifact, file), parsed, options);
        RehearsalOptions rehearsal = restore.Read(parsed, capture);
        List<CheckedTarget> targets = [];
        ImmutableArray<Finding> noticed = artifact.Capture is null ? [] : artifact.Findings;
        ImmutableArray<Finding> guests = LintErrors.OfGuests(capture, rehearsal.GuestCpuid);
        foreach (string text in hosts)
        {
            LinuxHost host = HostArgument.Parse(text, restore.HostLayout(parsed, options), restore.CpuMap(parsed), restore.Kernel(parsed));
            TargetOutcome outcome = WithFindings(RestoreRehearsal.Perform(capture, host, rehearsal), noticed, guests);
            targets.Add(new CheckedTarget(outcome, prove && text == "local" ? Prove(capture, host, rehearsal, outcome) : null) { Argument = text });
        }

        if (parsed.GetValue(options.Json))
        {
            Standard.Write(output => CheckReport.WriteJson(output, file, targets));
        }
        else
        {
            CheckReport.WriteText(Standard.Out, file, targets);
        }

        return targets.Exists(target => !demands.AreMet(target)) ? ExitCode.Findings : ExitCode.Fine;
    }

    // A process is not restored by KVM, but its core can contradict itself.
    private static int CheckAlone(string file, ParseResult parsed, CommonOptions options)
    {
        Artifact artifact = ArtifactInput.Open(file, parsed.GetValue(options.Format));
        if (artifact.Capture is not { Kind: CaptureKind.Process } capture)
        {
            throw new UsageException("check needs --on HOST, such as --on samples/hosts/amd-genoa.json@linux-6.12; only the core or the image of a process can be checked without");
        }

        Finding[] findings = [.. artifact.Findings, .. KnownCapture.Of(ArtifactInput.WithContext(capture, parsed, options)).Findings];
        if (parsed.GetValue(options.Json))
        {
            Standard.Write(output => CheckReport.WriteFindingsJson(output, file, findings));
        }
        else
        {
            CheckReport.WriteFindingsText(Standard.Out, file, findings);
        }

        return Array.Exists(findings, finding => finding.Severity == Severity.Error) ? ExitCode.Findings : ExitCode.Fine;
    }

    // CRIU's cpuinfo.img has no thread: asked about is what a process that was started on that processor would find.
    private static Capture CaptureOf(Artifact artifact, string file) =>
        artifact.Capture
        ?? (artifact.Cpuid is { Format: CriuCpuinfoReader.Format } processor ? ProcessRehearsal.ProbeOf(processor) : throw new UsageException($"{file} is {artifact.Format}, which holds no extended state"));

    // What the decoder noticed matters on every target; what the rehearsal says of the same rule is more exact.
    private static TargetOutcome WithFindings(TargetOutcome outcome, ImmutableArray<Finding> noticed, ImmutableArray<Finding> guests) =>
        outcome with { Findings = [.. noticed.Where(finding => !outcome.Findings.Any(other => other.Rule == finding.Rule)), .. outcome.Findings, .. guests] };

    private sealed record Question(string[] Hosts, bool Prove, Demands Demands);

    /// <summary>What makes the exit code 0.</summary>
    private sealed record Demands(ImmutableArray<Verdict> Accepted, bool NeedsCpuid)
    {
        public static Demands Read(IEnumerable<string> accepted, string? require)
        {
            ImmutableArray<Verdict>.Builder verdicts = ImmutableArray.CreateBuilder<Verdict>();
            foreach (string name in accepted.SelectMany(text => text.Split(',')))
            {
                verdicts.Add(Enum.GetValues<Verdict>().Cast<Verdict?>().FirstOrDefault(verdict => CheckReport.NameOf(verdict!.Value) == name)
                    ?? throw new UsageException($"--accept takes {string.Join(", ", Enum.GetValues<Verdict>().Select(CheckReport.NameOf))}, not {name}"));
            }

            return require is null or "cpuid" ? new Demands(verdicts.ToImmutable(), require is not null) : throw new UsageException($"--require takes cpuid, not {require}");
        }

        // An accepted verdict accepts the errors that led to it.
        public bool AreMet(CheckedTarget target) =>
            target.Proof is not { Held: false }
            && (!NeedsCpuid || target.Outcome.Scope.Contains(TargetOutcome.CpuidFeatures))
            && (Accepted.Contains(target.Outcome.Verdict)
                || (target.Outcome.Verdict == Verdict.Same && !target.Outcome.Findings.Any(finding => finding.Severity == Severity.Error)));
    }

    private static ProofResult Prove(Capture capture, LinuxHost host, RehearsalOptions options, TargetOutcome predicted)
    {
        if (capture.Kind == CaptureKind.Process)
        {
            return new ProofResult(null, "only a virtual CPU's restore can be performed here; a process needs CRIU");
        }

        if (predicted.Verdict == Verdict.Dangerous)
        {
            return new ProofResult(null, "the prediction is DANGER; it is never tried on a real kernel");
        }

        if (!predicted.DependsOn.IsEmpty || predicted.Rehearsed is not { } rehearsed)
        {
            return new ProofResult(null, "the prediction depends on what is not known; there is nothing to hold against a real kernel");
        }

        if (!OperatingSystem.IsLinux())
        {
            return new ProofResult(null, "only Linux has /dev/kvm");
        }

        using KvmDevice device = KvmDevice.Open();
        using KernelKvmMachine machine = new(device);
        return RestoreProof.Perform(rehearsed, host, options, machine);
    }
}
