using System.CommandLine;
using Xstate.Cli.Help;
using Xstate.Cli.Output;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate completion SHELL</c>: a script that completes verbs, options and values.</summary>
internal static class CompletionCommand
{
    public static Command Create(Command root)
    {
        Argument<string> shell = new("SHELL") { Description = "bash, zsh or fish." };
        shell.AcceptOnlyFromAmong(Completion.Shells);
        Command command = new("completion", "Print a completion script for a shell, as in: source <(xstate completion bash)") { shell };
        command.SetAction(parsed =>
        {
            Completion.Write(Standard.Document, root, parsed.GetValue(shell)!);
            return ExitCode.Fine;
        });
        return command;
    }
}
