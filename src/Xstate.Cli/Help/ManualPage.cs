using System.CommandLine;
using System.Globalization;
using System.Text;

namespace Xstate.Cli.Help;

/// <summary>Manual pages (section 1) from the command tree: xstate(1), and xstate-VERB(1) for each verb.</summary>
internal static class ManualPage
{
    /// <summary>The name of the page of a command, without its section.</summary>
    public static string NameOf(Command command) => command.Name == App.Name ? App.Name : $"{App.Name}-{command.Name}";

    /// <summary>Writes the page of a command.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="root">The whole command.</param>
    /// <param name="verb">The verb, or null for the page of the whole.</param>
    public static void Write(TextWriter output, Command root, Command? verb)
    {
        Command command = verb ?? root;
        string name = NameOf(command);
        output.Write($".TH {name.ToUpperInvariant()} 1 \"\" \"{App.Name} {VersionText.Number}\" \"User commands\"\n");
        output.Write($".SH NAME\n{Escape(name)} \\- {Escape(FirstToLower(command.Description!.TrimEnd('.')))}\n");
        output.Write($".SH SYNOPSIS\n{Synopsis(command, verb)}\n");
        if (verb is null)
        {
            WriteVerbs(output, root);
        }

        WriteArguments(output, command);
        WriteOptions(output, command.Options.Where(option => !option.Hidden)
            .Concat(verb is null ? [] : root.Options.Where(option => option.Recursive)));
        WriteGuide(output, command.Name);
        output.Write(verb is null ? SeeAlso([.. root.Subcommands.Where(each => !each.Hidden)]) : SeeAlso([root]));
    }

    private static string Synopsis(Command command, Command? verb)
    {
        StringBuilder text = new($".B {App.Name}");
        text.Append(verb is null ? "\n.I VERB\n[\\fIoption\\fR ...]" : $" {verb.Name}");
        foreach (Argument argument in command.Arguments.Where(argument => !argument.Hidden))
        {
            string name = $"\\fI{Escape(argument.Name)}\\fR" + (argument.Arity.MaximumNumberOfValues > 1 ? " ..." : "");
            text.Append('\n').Append(argument.Arity.MinimumNumberOfValues == 0 ? $"[{name}]" : name);
        }

        return verb is null ? text.ToString() : text.Append("\n[\\fIoption\\fR ...]").ToString();
    }

    private static void WriteVerbs(TextWriter output, Command root)
    {
        output.Write(".SH VERBS\n");
        foreach (Command verb in root.Subcommands.Where(verb => !verb.Hidden))
        {
            output.Write($".TP\n.BR {Escape(NameOf(verb))} (1)\n{Escape(verb.Description!)}\n");
        }
    }

    private static void WriteArguments(TextWriter output, Command command)
    {
        Argument[] arguments = [.. command.Arguments.Where(argument => !argument.Hidden)];
        output.Write(arguments.Length == 0 ? "" : ".SH ARGUMENTS\n");
        foreach (Argument argument in arguments)
        {
            output.Write($".TP\n.I {Escape(argument.Name)}\n{Escape(argument.Description!)}\n");
        }
    }

    private static void WriteOptions(TextWriter output, IEnumerable<Option> options)
    {
        output.Write(".SH OPTIONS\n");
        foreach (Option option in options)
        {
            string names = string.Join(", ", NamesOf(option).Select(name => $"\\fB{Escape(name)}\\fR"));
            string value = option.HelpName is { } name && ValueNames.TakesValue(option) ? $" \\fI{Escape(name)}\\fR" : "";
            output.Write($".TP\n{names}{value}\n{Escape(option.Description!)}\n");
        }
    }

    /// <summary>The names that a user types, the short one first.</summary>
    public static IEnumerable<string> NamesOf(Option option) =>
        option.Aliases.Append(option.Name).Where(name => name[0] == '-').Distinct().OrderBy(name => name.Length);

    private static void WriteGuide(TextWriter output, string verb)
    {
        VerbGuide? guide = VerbGuides.Of(verb);
        output.Write(".SH EXIT STATUS\n");
        foreach ((int code, string meaning) in guide?.AllExitCodes ?? VerbGuide.CommonExitCodes)
        {
            output.Write($".TP\n.B {code}\n{Escape(meaning)}\n");
        }

        output.Write(guide is null ? "" : ".SH EXAMPLES\n");
        foreach (Example example in guide?.Examples ?? [])
        {
            output.Write($".TP\n{Escape(example.Meaning)}\n.EX\n{Escape($"{App.Name} {example.Line}")}\n.EE\n");
        }
    }

    private static string SeeAlso(IReadOnlyList<Command> commands) =>
        $".SH SEE ALSO\n{string.Join(",\n", commands.Select(command => $".BR {Escape(NameOf(command))} (1)"))}\n";

    private static string FirstToLower(string text) => char.ToLowerInvariant(text[0]) + text[1..];

    // A backslash, a hyphen that is typed and what is not ASCII have names in roff; a line may not begin with a dot or an apostrophe.
    private static string Escape(string text)
    {
        string escaped = text.Replace("\\", "\\e", StringComparison.Ordinal).Replace("-", "\\-", StringComparison.Ordinal)
            .Replace("'", "\\(aq", StringComparison.Ordinal).Replace("\n", " ", StringComparison.Ordinal);
        StringBuilder ascii = new(escaped.StartsWith('.') ? "\\&" : "");
        foreach (Rune rune in escaped.EnumerateRunes())
        {
            _ = rune.IsAscii ? ascii.Append((char)rune.Value) : ascii.Append(CultureInfo.InvariantCulture, $"\\[u{rune.Value:X4}]");
        }

        return ascii.ToString();
    }
}
