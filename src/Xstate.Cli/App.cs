using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;
using Xstate.Artifacts;
using Xstate.Cli.Commands;
using Xstate.Cli.Input;
using Xstate.Linux;
using Xstate.Scenarios;

namespace Xstate.Cli;

/// <summary>The command line: one verb a file, and one place where exceptions become exit codes.</summary>
internal static class App
{
    public static int Run(string[] args)
    {
        ParseResult parsed = CreateRoot().Parse(LiveArgument.Rewrite(args));
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors)
            {
                Console.Error.WriteLine($"xstate: {error.Message}");
            }

            Console.Error.WriteLine("xstate: see xstate --help, or --help behind a verb");
            return ExitCode.Usage;
        }

        try
        {
            return parsed.Invoke(new InvocationConfiguration { EnableDefaultExceptionHandler = false });
        }
        catch (UsageException error)
        {
            return Fail(ExitCode.Usage, error);
        }
        catch (ScenarioException error)
        {
            return Fail(ExitCode.UnreadableInput, error);
        }
        catch (MalformedArtifactException error)
        {
            return Fail(ExitCode.UnreadableInput, error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return Fail(ExitCode.UnreadableInput, error);
        }
        catch (LinuxException error)
        {
            return Fail(ExitCode.MachineRefused, error);
        }
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
            HostCommand.Create(),
            ExploreCommand.Create(),
            RunCommand.Create(),
            ConformCommand.Create(),
            RulesCommand.Create(),
        };

    private static int Fail(int code, Exception error)
    {
        Console.Error.WriteLine($"xstate: {error.Message}");
        return code;
    }
}
