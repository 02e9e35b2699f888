using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using Xstate.Cli.Output;

namespace Xstate.Cli.Help;

/// <summary>The help of a verb: usage and options as System.CommandLine prints them, then examples and exit codes.</summary>
internal sealed class GuidedHelp(HelpAction inner) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        int code = inner.Invoke(parseResult);
        Write(parseResult.InvocationConfiguration.Output, parseResult.CommandResult.Command.Name);
        return code;
    }

    // A line with a quoted word stays one: a shell takes what stands in quotation marks as it is.
    private static void WriteLine(TextWriter output, string line)
    {
        StandardStreams streams = Session.Current.Streams;
        int? width = streams.IsOutputTerminal && !line.Contains('"', StringComparison.Ordinal) ? streams.Look?.Width : null;
        string[] lines = width is { } cells ? [.. TypedCommand.Break(["xstate", .. line.Split(' ')], "  ", "      ", cells)]
            : [$"  xstate {line}"];
        foreach (string part in lines)
        {
            output.WriteLine(part);
        }
    }

    private static void Write(TextWriter output, string verb)
    {
        if (VerbGuides.Of(verb) is not { } guide)
        {
            return;
        }

        output.WriteLine("Examples:");
        foreach (Example example in guide.Examples)
        {
            output.WriteLine($"  # {example.Meaning}");
            WriteLine(output, example.Line);
        }

        output.WriteLine();
        output.WriteLine("Exit codes:");
        foreach ((int code, string meaning) in guide.AllExitCodes)
        {
            output.WriteLine($"  {code,-3} {meaning}");
        }

        output.WriteLine();
    }
}
