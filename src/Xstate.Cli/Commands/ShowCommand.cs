using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate show FILE…</c>: what is in artifacts.</summary>
internal static class ShowCommand
{
    private const string Files =
        "Artifacts, - for standard input, or --pid N for all threads of a running process. "
        + "Reading a process stops each thread for a moment: a system call that it waits in, such as epoll_wait, may return EINTR "
        + "(signal(7)).";

    public static Command Create()
    {
        CommonOptions options = new();
        BatchOptions batch = new(Files, options.Json);
        SelectionOptions selection = new();
        Command command = new("show", "Show what is in states, CPUID dumps or host records.");
        batch.AddTo(command);
        selection.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed =>
        {
            List<string> files = batch.Files(parsed);
            if (files.Count == 0)
            {
                throw new UsageException("show needs FILE");
            }

            ShowOptions shown = selection.Read(parsed);
            if (shown.Draw && (shown.Registers is not null || shown.View is not null || parsed.GetValue(options.Json)))
            {
                throw new UsageException("--draw draws whole areas, for people: it goes with neither --register, --as nor --json");
            }

            GivenContext given = GivenContext.Read(parsed, options);
            string? format = parsed.GetValue(options.Format);
            LinuxHost? target = selection.Target(parsed, options);
            return new Batch("show", files, batch.Form(parsed))
            {
                Columns = [("FORMAT", 14), ("CONTENTS", 40), ("FINDINGS", 0)],
                VerdictColumn = 1
            }
                .Run(file => Answer(file, ArtifactInput.Open(file, format), shown, given, target));
        });
        return command;
    }

    /// <summary>The answer for one artifact.</summary>
    internal static FileAnswer Answer(string file, Artifact artifact, ShowOptions shown, GivenContext given, LinuxHost? target = null)
    {
        if (artifact.Capture is not { } bare)
        {
            return shown.Draw ? throw new UsageException($"{file} is {artifact.Format}, which holds no extended state to draw")
                : shown.IsSelective
                ? throw new UsageException($"{file} is {artifact.Format}, which holds no registers to choose from")
                : OfProcessors(file, artifact, LintErrors.Of(artifact));
        }

        Capture capture = given.ApplyTo(bare);
        SelectionOptions.Require(capture, shown);
        if (target is not null)
        {
            TargetOutcome outcome = RestoreRehearsal.Perform(capture, target);
            shown = shown with { LeftOut = LeftOutComponents.Of(outcome, capture, target) };
        }

        ImmutableArray<Finding> findings = [.. artifact.Findings, .. LintErrors.Of(artifact)];
        return new FileAnswer(ExitCode.Fine)
        {
            Json = json =>
            {
                json.WriteString("file", file);
                ShowReport.WriteFields(json, capture, findings, shown);
            },
            Text = output => ShowReport.WriteText(output, capture, shown, findings),
            Rows = [ShowReport.RowOf(capture, findings, shown)],
        };
    }

    private static FileAnswer OfProcessors(string file, Artifact artifact, ImmutableArray<Finding> more) => new(ExitCode.Fine)
    {
        Json = json =>
        {
            json.WriteString("file", file);
            CpuReport.WriteFields(json, artifact, more);
        },
        Text = output => CpuReport.WriteText(output, artifact, more),
        Rows = [CpuReport.RowOf(artifact, more)],
    };
}
