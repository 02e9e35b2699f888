using System.Collections.Immutable;
using System.CommandLine;
using Xstate.Captures;
using Xstate.Cli.Input;
using Xstate.Cli.Output;
using Xstate.Findings;
using Xstate.Reports;
using Xstate.Transforms;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate diff A B</c>: two captures of any formats, register by register.</summary>
internal static class DiffCommand
{
    public static Command Create()
    {
        Argument<string> a = new("A") { Description = "A state, - for standard input, or --pid N for a running process." };
        Argument<string> b = new("B") { Description = "Another; its format may differ." };
        CommonOptions options = new();
        Command command = new("diff", "Compare two states register by register: what a program would see, and what is only noise.") { a,
            b };
        options.AddTo(command);
        command.SetAction(parsed => Run(parsed.GetValue(a)!, parsed.GetValue(b)!, parsed, options));
        return command;
    }

    private static int Run(string a, string b, ParseResult parsed, CommonOptions options)
    {
        DiffSide left = Open(a, parsed, options);
        DiffSide right = Open(b, parsed, options);
        CaptureDifference difference = CaptureComparison.Compare(left.Capture, right.Capture);
        if (parsed.GetValue(options.Json))
        {
            Standard.Write(output => DiffReport.WriteJson(output, left, right, difference));
        }
        else
        {
            DiffReport.WriteText(Standard.Out, left, right, difference);
        }

        return difference.IsSame ? ExitCode.Fine : ExitCode.Findings;
    }

    private static DiffSide Open(string path, ParseResult parsed, CommonOptions options)
    {
        using OpenedArtifact opened = OpenedArtifact.Open(path, parsed.GetValue(options.Format));
        (Capture capture, _, ImmutableArray<Finding> findings) = KnownCapture.Of(GivenContext.Read(parsed, options)
            .ApplyTo(opened.Capture));
        return new DiffSide(path, capture, [.. opened.Artifact.Findings, .. findings]);
    }
}
