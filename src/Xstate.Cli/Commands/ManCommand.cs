using System.CommandLine;
using System.CommandLine.Completions;
using Xstate.Cli.Help;
using Xstate.Cli.Output;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate man [VERB]</c>: the manual page, for man -l - and for packages.</summary>
internal static class ManCommand
{
    public static Command Create(Command root)
    {
        Argument<string?> verb = new("VERB")
        {
            Arity = ArgumentArity.ZeroOrOne,
            HelpName = "VERB",
            Description = "A verb; without it the page of the whole command."
        };
        verb.CompletionSources.Add(_ => Verbs(root).Select(each => new CompletionItem(each.Name)));
        Option<bool> list = new("--list") { Description = "Print the verbs that have a page, one a line." };
        Command command = new("man", "Print a manual page in roff, as in: xstate man check | man -l -") { verb, list };
        command.SetAction(parsed =>
        {
            if (parsed.GetValue(list))
            {
                foreach (Command each in Verbs(root))
                {
                    Standard.Document.WriteLine(each.Name);
                }

                return ExitCode.Fine;
            }

            string? name = parsed.GetValue(verb);
            Command? found = Verbs(root).FirstOrDefault(each => each.Name == name);
            ManualPage.Write(Standard.Document, root, name is null ? null : found
                ?? throw new UsageException($"there is no verb {name}; xstate man --list has them"));
            return ExitCode.Fine;
        });
        return command;
    }

    private static IEnumerable<Command> Verbs(Command root) => root.Subcommands.Where(each => !each.Hidden);
}
