using System.CommandLine;
using System.CommandLine.Completions;

namespace Xstate.Cli.Commands;

/// <summary><c>xstate help [VERB]</c>: the same as --help behind the verb.</summary>
internal static class HelpVerb
{
    private const string Verb = "help";

    public static Command Create(Command root)
    {
        Argument<string?> verb = new("VERB")
        {
            Arity = ArgumentArity.ZeroOrOne,
            HelpName = "VERB",
            Description = "A verb; without it the verbs are listed."
        };
        verb.CompletionSources.Add(_ => root.Subcommands.Where(each => !each.Hidden).Select(each => new CompletionItem(each.Name)));
        Command command = new(Verb, "Say what a verb does, with its options, examples and exit codes.") { verb };
        command.SetAction(parsed => NoVerb(parsed.GetValue(verb)));
        return command;
    }

    /// <summary>Turns <c>help VERB</c> into <c>VERB --help</c>, and <c>help</c> alone into <c>--help</c>.</summary>
    public static string[] Rewrite(string[] args, Command root) =>
        args is [Verb] ? ["--help"]
        : args is [Verb, var verb] && verb != Verb && root.Subcommands.Any(each => each.Name == verb) ? [verb, "--help"]
        : args;

    // What is left here was not rewritten.
    private static int NoVerb(string? verb) => throw new UsageException($"there is no verb {verb}; xstate help lists them");
}
