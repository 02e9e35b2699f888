using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;

namespace Xstate.Cli.Help;

/// <summary>What is wrong with a command line, and what was probably meant.</summary>
internal static class CommandLineProblems
{
    /// <summary>One sentence each; none when the command line can be run.</summary>
    public static List<string> Of(ParseResult parsed)
    {
        ArgumentNullException.ThrowIfNull(parsed);
        List<string> problems = [.. parsed.Errors.Select(error => error.Message)];
        if (parsed.Action is GuidedHelp or VersionAction)
        {
            return problems;
        }

        problems.AddRange(parsed.Tokens.Where(token => token.Value.Length == 0).Take(1).Select(_ => "an argument is empty"));
        string[] mistaken = [.. MistakenOptions(parsed).Select(name => $"there is no option {name} here; a file of this name is ./{name}")];
        if (mistaken.Length > 0)
        {
            return [.. mistaken];
        }

        if (problems.Count > 0 && Corrections(parsed) is { Length: > 0 } meant)
        {
            problems.Add($"did you mean {string.Join(" or ", meant)}?");
        }

        return problems;
    }

    // An option that no verb has is taken for the FILE.
    private static IEnumerable<string> MistakenOptions(ParseResult parsed)
    {
        HashSet<Token> literal = [.. parsed.Tokens.SkipWhile(token => token.Type != TokenType.DoubleDash)];
        return parsed.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens)
            .Where(token => token.Value.Length > 1 && token.Value[0] == '-' && !literal.Contains(token)).Select(token => token.Value);
    }

    // System.CommandLine prints, for each word that it could not place, a sentence and below it one candidate a line. The first word is
    // the mistake; those behind it were never looked at as what they are.
    private static string[] Corrections(ParseResult parsed)
    {
        if (parsed.Action is not ParseErrorAction action)
        {
            return [];
        }

        action.ShowHelp = false;
        using StringWriter found = new();
        parsed.Invoke(new InvocationConfiguration { Output = found, Error = TextWriter.Null });
        return [.. found.ToString().Split('\n', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Skip(1)
            .TakeWhile(line => !line.Contains(' ', StringComparison.Ordinal)).Where(line => line[0] != '-' || line.Length > 2)];
    }
}
