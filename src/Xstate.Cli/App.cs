using System.CommandLine;
using System.CommandLine.Help;
using Xstate.Cli.Commands;
using Xstate.Cli.Input;
using Xstate.Cli.Output;

namespace Xstate.Cli;

/// <summary>The command line: one verb a file, and one place where exceptions become exit codes.</summary>
internal static class App
{
    // @FILE is a file's name like any other: one that a pattern of the shell found could put options in.
    private static readonly ParserConfiguration Parsing = new() { ResponseFileTokenReplacer = null };

    /// <summary>Runs the command.</summary>
    /// <param name="args">The command line.</param>
    /// <param name="streams">Where it reads from and writes to.</param>
    /// <returns>The exit code.</returns>
    public static int Run(string[] args, StandardStreams streams)
    {
        using Session session = Session.Begin(streams);
        try
        {
            int code = Perform(args, session);
            session.Flush();
            return code;
        }
#pragma warning disable CA1031 // The last resort: whatever happens is one line and an exit code, and never a stack trace.
        catch (Exception error)
#pragma warning restore CA1031
        {
            return Fail(session, error);
        }
    }

    private static int Perform(string[] args, Session session)
    {
        UnpackedLimit unpacked = new();
        Command root = CreateRoot();
        unpacked.AddTo(root);
        ParseResult parsed = root.Parse(LiveArgument.Rewrite(args), Parsing);
        string[] problems = [.. parsed.Errors.Select(error => error.Message), .. parsed.Tokens.Where(token => token.Value.Length == 0).Take(1).Select(_ => "an argument is empty")];
        if (problems.Length > 0)
        {
            foreach (string problem in problems)
            {
                session.Error.WriteLine($"xstate: {problem}");
            }

            session.Error.WriteLine("xstate: see xstate --help, or --help behind a verb");
            return ExitCode.Usage;
        }

        session.Limits = unpacked.Limits(parsed);
        return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null, Output = session.Document, Error = session.Error });
    }

    // Not a RootCommand: that one would take its name from the assembly, which cannot be xstate.
    private static Command CreateRoot() =>
        new("xstate", "Shows, checks, repairs and proves the extended state (XSAVE) of virtual CPUs.")
        {
            new HelpOption { Recursive = true },
            new VersionOption(),
            ShowCommand.Create(),
            CheckCommand.Create(),
            FixCommand.Create(),
            ConvertCommand.Create(),
            DiffCommand.Create(),
            SetCommand.Create(),
            LintCommand.Create(),
            MakeCpuidCommand.Create(),
            PoolCommand.Create(),
            HostCommand.Create(),
            ExploreCommand.Create(),
            RunCommand.Create(),
            ConformCommand.Create(),
            RulesCommand.Create(),
        };

    private static int Fail(Session session, Exception error)
    {
        (int code, string message) = Failure.Of(error);
        string written = session.Written.Count == 0 ? "" : $"; in place: {string.Join(", ", session.Written)}";
        session.Error.WriteLine($"xstate: {message}{written}");
        return code;
    }
}
