using System.CommandLine;
using Xstate.Hypervisors;
using Xstate.Linux;

namespace Xstate.Cli.Commands;

/// <summary>
/// <c>xstate serve</c>: goes on as xstate-server, a program of its own because of ASP.NET Core. It is started by its full path beside this
/// one, never looked up in PATH.
/// </summary>
internal static class ServeCommand
{
    private const string Program = "xstate-server";

    public static Command Create()
    {
        Argument<string[]> arguments = new("ARGUMENT")
        {
            Arity = ArgumentArity.ZeroOrMore,
            HelpName = "ARGUMENT",
            Description = "What xstate-server takes, behind --: docs/server.md, or xstate serve -- --help.",
        };
        Command command = new("serve", "Answer Kubernetes' scheduler and admission calls (starts xstate-server).") { arguments };
        command.SetAction(parsed =>
        {
            string[] places = [.. Folders().Select(folder => Path.GetFullPath(Path.Combine(folder, Program))).Distinct()];
            string path = places.FirstOrDefault(File.Exists)
                ?? throw new LinuxException($"execve {string.Join(" or ", places)}", Errno.ENOENT,
                    $"{Program} is a program of its own, and docs/server.md says how it is built");
            if (!OperatingSystem.IsLinux())
            {
                throw new PlatformNotSupportedException($"serve needs Linux; start {path} itself");
            }

            ProgramReplacement.Run(path, parsed.GetValue(arguments) ?? []);
            return ExitCode.Fine;
        });
        return command;
    }

    // Beside the program, and where packages put what no user types.
    private static IEnumerable<string> Folders()
    {
        string own = Path.GetDirectoryName(Environment.ProcessPath) ?? AppContext.BaseDirectory;
        return [AppContext.BaseDirectory, own, Path.Combine(own, "..", "libexec", "xstate")];
    }
}
