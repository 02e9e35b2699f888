using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate show FILE</c>: what is in an artifact.</summary>
internal static class ShowCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE")
        {
            Description = "An artifact, a directory that criu dump wrote, - for standard input, or --pid N for all threads of a running process. "
                + "Reading a process stops each thread for a moment: a system call that it waits in, such as epoll_wait, may return EINTR (signal(7)).",
        };
        SelectionOptions selection = new();
        CommonOptions options = new();
        Command command = new("show", "Show what is in a state, a CPUID dump or a host record.") { file };
        selection.AddTo(command);
        options.AddTo(command);
        command.SetAction(parsed => Run(parsed.GetValue(file)!, selection.Read(parsed), parsed, options));
        return command;
    }

    private static int Run(string file, ShowOptions shown, ParseResult parsed, CommonOptions options)
    {
        Artifact artifact = ArtifactInput.Open(file, parsed.GetValue(options.Format));
        bool json = parsed.GetValue(options.Json);
        if (artifact.Capture is { } bare)
        {
            Captures.Capture capture = ArtifactInput.WithContext(bare, parsed, options);
            SelectionOptions.Require(capture, shown);
            ImmutableArray<Finding> findings = [.. artifact.Findings, .. LintErrors.Of(artifact)];
            if (json)
            {
                Standard.Write(output => ShowReport.WriteJson(output, capture, findings, shown));
            }
            else
            {
                ShowReport.WriteText(Standard.Out, capture, shown, findings);
            }
        }
        else if (shown.IsSelective)
        {
            throw new UsageException($"{file} is {artifact.Format}, which holds no registers to choose from");
        }
        else if (json)
        {
            Standard.Write(output => CpuReport.WriteJson(output, artifact, LintErrors.Of(artifact)));
        }
        else
        {
            CpuReport.WriteText(Standard.Out, artifact, LintErrors.Of(artifact));
        }

        return ExitCode.Fine;
    }
}
