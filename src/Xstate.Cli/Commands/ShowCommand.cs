using System.CommandLine;
using Xstate.Artifacts;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Reports;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate show FILE</c>: what is in an artifact.</summary>
internal static class ShowCommand
{
    public static Command Create()
    {
        Argument<string> file = new("FILE") { Description = "An artifact, a directory that criu dump wrote, - for standard input, or --pid N for all threads of a running process." };
        Option<bool> all = new("--all") { Description = "List registers with their initial value too." };
        CommonOptions options = new();
        Command command = new("show", "Show what is in a state, a CPUID dump or a host record.") { file, all };
        options.AddTo(command);
        command.SetAction(parsed => Run(parsed.GetValue(file)!, parsed.GetValue(all), parsed, options));
        return command;
    }

    private static int Run(string file, bool all, ParseResult parsed, CommonOptions options)
    {
        Artifact artifact = ArtifactInput.Open(file, parsed.GetValue(options.Format));
        bool json = parsed.GetValue(options.Json);
        if (artifact.Capture is { } bare)
        {
            Captures.Capture capture = ArtifactInput.WithContext(bare, parsed, options);
            if (json)
            {
                Standard.Write(output => ShowReport.WriteJson(output, capture, artifact.Findings));
            }
            else
            {
                ShowReport.WriteText(Standard.Out, capture, all, artifact.Findings);
            }
        }
        else if (json)
        {
            Standard.Write(output => CpuReport.WriteJson(output, artifact));
        }
        else
        {
            CpuReport.WriteText(Standard.Out, artifact);
        }

        return ExitCode.Fine;
    }
}
