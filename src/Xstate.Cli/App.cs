using System.CommandLine;
using System.CommandLine.Help;
using Xstate.Cli.Commands;
using Xstate.Cli.Help;
using Xstate.Cli.Input;
using Xstate.Cli.Output;

namespace Xstate.Cli;

/// <summary>The command line: one verb a file, and one place where exceptions become exit codes.</summary>
internal static class App
{
    /// <summary>What the command is called, whatever its file is.</summary>
    public const string Name = "xstate";

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
            if (session.LeftOut.Remark is { } remark)
            {
                session.Error.WriteLine($"xstate: {remark}");
            }

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
        TextOptions text = new();
        Command root = CreateRoot(unpacked, text);
        ParseResult parsed = root.Parse(LiveArgument.Rewrite(HelpVerb.Rewrite(args, root)), Parsing);
        text.Apply(parsed, session);
        session.Arguments = args;
        session.Progress?.Begin(parsed.CommandResult.Command.Name);
        List<string> problems = CommandLineProblems.Of(parsed);
        if (problems.Count > 0)
        {
            foreach (string problem in problems)
            {
                session.Error.WriteLine($"xstate: {problem}");
            }

            session.Error.WriteLine("xstate: see xstate --help, or --help behind a verb");
            return ExitCode.Usage;
        }

        session.Limits = unpacked.Limits(parsed);
        return parsed.Invoke(new InvocationConfiguration
        {
            EnableDefaultExceptionHandler = false,
            ProcessTerminationTimeout = null,
            Output = session.Document,
            Error = session.Error
        });
    }

    /// <summary>The whole command. It is no RootCommand: that one would take its name from the assembly, which cannot be xstate.</summary>
    internal static Command CreateRoot(UnpackedLimit unpacked, TextOptions text)
    {
        HelpOption help = new() { Recursive = true };
        help.Action = new GuidedHelp((HelpAction)help.Action!);
        VersionOption version = new();
        version.Action = new VersionAction();
        Command root = new(Name, "Shows, checks, repairs and proves the extended state (XSAVE) of virtual CPUs.")
        {
            help,
            version,
            ShowCommand.Create(),
            CheckCommand.Create(),
            FixCommand.Create(),
            ConvertCommand.Create(),
            DiffCommand.Create(),
            SetCommand.Create(),
            LintCommand.Create(),
            MakeCpuidCommand.Create(),
            PoolCommand.Create(),
            ReportCommand.Create(),
            HostCommand.Create(),
            ServeCommand.Create(),
            ExploreCommand.Create(),
            RunCommand.Create(),
            ConformCommand.Create(),
            RulesCommand.Create(),
        };
        root.SetAction(NeedVerb);
        root.Add(DocsCommand.Create(root));
        root.Add(HelpVerb.Create(root));
        root.Add(ManCommand.Create(root));
        root.Add(CompletionCommand.Create(root));
        unpacked.AddTo(root);
        text.AddTo(root);
        ValueNames.AddTo(root);
        return root;
    }

    private static int NeedVerb(ParseResult parsed) =>
        throw new UsageException("a verb is missing, such as show or check; xstate help lists them");

    private static int Fail(Session session, Exception error)
    {
        (int code, string message) = Failure.Of(error);
        string written = session.Written.Count == 0 ? "" : $"; in place: {string.Join(", ", session.Written)}";
        session.Error.WriteLine($"xstate: {message}{written}");
        return code;
    }
}
