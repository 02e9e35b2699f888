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

/// <summary>
/// <c>xstate check FILE… --on HOST…</c>: will it load there, why not, and what would the guest see; without a host, whether a process
/// contradicts itself.
/// </summary>
internal static class CheckCommand
{
    public static Command Create()
    {
        Option<string[]> on =
            new("--on")
            {
                Description = "Host records, CPUID dumps, directories or patterns of them, or 'local', with @linux-X.Y behind "
                + "each to name the kernel. Without it a process is held against itself.",
                AllowMultipleArgumentsPerToken = true
            };
        Option<bool> prove = new(
            "--prove")
        { Description = "Also perform the restore on the real /dev/kvm, in a throw-away VM (with --on local)." };
        Option<string[]> accept =
            new("--accept")
            {
                Description = "Verdicts beside same that count as fine for the exit code, such as unknown,repairable.",
                AllowMultipleArgumentsPerToken = true
            };
        Option<string?> require = new(
            "--require")
        { Description = "cpuid: exit 1 when the guest's CPUID is not known, so that its features were not looked at." };
        RestoreOptions restore = new();
        CommonOptions options = new();
        BatchOptions batch = new("States, - for standard input, or --pid N for a running process.", options.Json);
        Command command = new("check", "Rehearse the restore of states on hosts and say what would happen and why.");
        batch.AddTo(command);
        command.Add(on);
        command.Add(prove);
        command.Add(accept);
        command.Add(require);
        restore.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            if (restore.ListsVmms(parsed))
            {
                return RestoreOptions.PrintVmms(parsed.GetValue(options.Json));
            }

            Demands demands = Demands.Read(parsed.GetValue(accept) ?? [], parsed.GetValue(require));
            List<string> files = batch.Files(parsed);
            if (files.Count == 0)
            {
                throw new UsageException("check needs FILE");
            }

            string? format = parsed.GetValue(options.Format);
            GivenContext given = GivenContext.Read(parsed, options);
            string[] arguments = [.. parsed.GetValue(on)!.SelectMany(HostArgument.Expand)];
            bool proves = parsed.GetValue(prove);
            if (proves && !arguments.Contains("local"))
            {
                throw new UsageException("--prove needs --on local: only this machine's kernel can be asked");
            }

            if (arguments.Length == 0)
            {
                return new Batch("check", files,
                    batch.Form(parsed))
                { Columns = [("VERDICT", 11), ("WHY", 0)] }.Run(file => CheckAlone(file, format, given));
            }

            RehearsalOptions rehearsal = restore.Read(parsed);
            TargetHosts hosts = TargetHosts.Open(arguments, restore, options, parsed);
            Question question = new(hosts, proves, demands, rehearsal, files.Count == 1);
            return new Batch("check", files, batch.Form(parsed))
            {
                Columns = [("HOST", hosts.WidestName), ("KERNEL", hosts.WidestKernel), ("VERDICT", 10), ("WHY", 0)],
                VerdictColumn = 2,
                IsTable = arguments.Length > 1,
            }.Run(file => Check(file, format, given, question));
        });
        return command;
    }

    private static FileAnswer Check(string file, string? format, GivenContext given, Question question)
    {
        Artifact artifact = ArtifactInput.Open(file, format);
        List<CheckedTarget> targets = [];
        int exit = ExitCode.Fine;
        IEnumerable<CheckedTarget> rehearsed = Rehearse(file, artifact, given, question.Hosts, question.Rehearsal);
        foreach ((TargetHost target, CheckedTarget predicted) in question.Hosts.All.Zip(rehearsed))
        {
            CheckedTarget answer = question.Prove && target.Argument == "local"
                ? predicted with { Proof = Prove(CaptureOf(artifact, file).Kind, target.Host, question.Rehearsal, predicted.Outcome) }
                : predicted;
            targets.Add(answer);
            exit = question.Demands.AreMet(answer) ? exit : ExitCode.Findings;
        }

        exit = question.Hosts.Unread.Aggregate(exit, (worst, host) => ExitCode.Worse(worst, host.Exit));
        return new FileAnswer(exit)
        {
            Json = json => CheckReport.WriteFields(json, file, targets, question.Hosts.Unread),
            Text = output =>
            {
                CheckReport.WriteText(output, file, targets);
                question.Hosts.TellUnread();
                if (question.IsOfOneFile)
                {
                    NextCommand.AfterCheck(output, file, targets);
                }
            },
            Rows = [.. question.Hosts.All.Zip(targets, (host, target) => CheckReport.RowOf(target, host.Name)),
                .. question.Hosts.UnreadRows],
        };
    }

    /// <summary>Whether something of an artifact can be restored.</summary>
    internal static bool IsCheckable(Artifact artifact) =>
        artifact.Capture is not null || artifact.Cpuid is { Format: CriuCpuinfoReader.Format };

    /// <summary>What becomes of an artifact on each host, with what its decoder noticed.</summary>
    internal static IEnumerable<CheckedTarget> Rehearse(
        string file, Artifact artifact, GivenContext given, TargetHosts hosts, RehearsalOptions rehearsal)
    {
        Capture capture = given.ApplyTo(CaptureOf(artifact, file));
        ImmutableArray<Finding> noticed = artifact.Capture is null ? [] : artifact.Findings;
        ImmutableArray<Finding> guests = LintErrors.OfGuests(capture, rehearsal.GuestCpuid);
        return hosts.All.Select(target => new CheckedTarget(
            WithFindings(RestoreRehearsal.Perform(capture, target.Host, rehearsal), noticed, guests))
        { Argument = target.Argument });
    }

    // A process is not restored by KVM, but its core can contradict itself.
    private static FileAnswer CheckAlone(string file, string? format, GivenContext given)
    {
        Artifact artifact = ArtifactInput.Open(file, format);
        if (artifact.Capture is not { Kind: CaptureKind.Process } capture)
        {
            throw new UsageException(
                "check needs --on HOST, such as --on samples/hosts/amd-genoa.json@linux-6.12; only the core or the image of a process "
                + "can be checked without");
        }

        Finding[] findings = [.. artifact.Findings, .. KnownCapture.Of(given.ApplyTo(capture)).Findings];
        return new FileAnswer(Array.Exists(findings, finding => finding.Severity == Severity.Error) ? ExitCode.Findings : ExitCode.Fine)
        {
            Json = json => CheckReport.WriteFindingsFields(json, file, findings),
            Text = output => CheckReport.WriteFindingsText(output, file, findings),
            Rows = [CheckReport.RowOf(findings)],
        };
    }

    // CRIU's cpuinfo.img has no thread: asked about is what a process that was started on that processor would find.
    private static Capture CaptureOf(Artifact artifact, string file) =>
        artifact.Capture
        ?? (artifact.Cpuid is { Format: CriuCpuinfoReader.Format } processor
            ? ProcessRehearsal.ProbeOf(processor)
            : throw new UsageException($"{file} is {artifact.Format}, which holds no extended state"));

    // What the decoder noticed matters on every target; what the rehearsal says of the same rule is more exact.
    private static TargetOutcome WithFindings(TargetOutcome outcome, ImmutableArray<Finding> noticed, ImmutableArray<Finding> guests) =>
        outcome with
        {
            Findings = [.. noticed.Where(finding => !outcome.Findings.Any(other => other.Rule == finding.Rule)),
            .. outcome.Findings, .. guests]
        };

    private sealed record Question(TargetHosts Hosts, bool Prove, Demands Demands, RehearsalOptions Rehearsal, bool IsOfOneFile);

    /// <summary>What makes the exit code 0.</summary>
    private sealed record Demands(ImmutableArray<Verdict> Accepted, bool NeedsCpuid)
    {
        public static Demands Read(IEnumerable<string> accepted, string? require)
        {
            ImmutableArray<Verdict>.Builder verdicts = ImmutableArray.CreateBuilder<Verdict>();
            foreach (string name in accepted.SelectMany(text => text.Split(',')))
            {
                verdicts.Add(Enum.GetValues<Verdict>().Cast<Verdict?>()
                    .FirstOrDefault(verdict => CheckReport.NameOf(verdict!.Value) == name)
                    ?? throw new UsageException(
                    $"--accept takes {string.Join(", ", Enum.GetValues<Verdict>().Select(CheckReport.NameOf))}, not {name}"));
            }

            return require is null or "cpuid" ? new Demands(verdicts.ToImmutable(), require is not null)
                : throw new UsageException($"--require takes cpuid, not {require}");
        }

        // An accepted verdict accepts the errors that led to it; that a repair is accepted does not accept what it leaves different.
        public bool AreMet(CheckedTarget target) =>
            target.Proof is not { Held: false }
            && (!NeedsCpuid || target.Outcome.Scope.Contains(TargetOutcome.CpuidFeatures))
            && (!target.Outcome.DiffersAfterRepair || Accepted.Contains(Verdict.Differs))
            && (Accepted.Contains(target.Outcome.Verdict)
                || (target.Outcome.Verdict == Verdict.Same && !target.Outcome.Findings.Any(finding => finding.Severity == Severity.Error)));
    }

    private static ProofResult Prove(CaptureKind kind, LinuxHost host, RehearsalOptions options, TargetOutcome predicted)
    {
        if (kind == CaptureKind.Process)
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
