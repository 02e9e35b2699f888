using System.CommandLine;
using System.CommandLine.Completions;

namespace Xstate.Cli.Help;

/// <summary>
/// Completion scripts from the command tree, for the shells that people have. They know verbs, options and fixed values; the rest are
/// files.
/// </summary>
internal static class Completion
{
    /// <summary>The shells.</summary>
    public static readonly string[] Shells = ["bash", "zsh", "fish"];

    /// <summary>Writes the script of a shell.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="root">The whole command.</param>
    /// <param name="shell">One of <see cref="Shells"/>.</param>
    public static void Write(TextWriter output, Command root, string shell)
    {
        Command[] verbs = [.. root.Subcommands.Where(verb => !verb.Hidden)];
        Action<TextWriter, Command, Command[]> write = shell switch { "bash" => WriteBash, "zsh" => WriteZsh, _ => WriteFish };
        write(output, root, verbs);
    }

    private static void WriteBash(TextWriter output, Command root, Command[] verbs)
    {
        output.Write($$"""
            # bash completion of {{App.Name}}
            _{{App.Name}}() {
                local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} verb=${COMP_WORDS[1]} words=
                COMPREPLY=()
                if [ "$COMP_CWORD" = 1 ]; then
                    COMPREPLY=($(compgen -W "{{string.Join(' ', verbs.Select(verb => verb.Name))}} --help --version" -- "$current"))
                    return
                fi
                case "$verb $previous" in

            """.ReplaceLineEndings("\n"));
        foreach (Command verb in verbs)
        {
            foreach (Option option in OptionsOf(root, verb).Where(ValueNames.TakesValue))
            {
                string[] values = Values(option);
                string names = string.Join('|', ManualPage.NamesOf(option).Select(name => $"\"{verb.Name} {name}\""));
                string reply = values.Length > 0 ? $"COMPREPLY=($(compgen -W \"{string.Join(' ', values)}\" -- \"$current\"))"
                    : ValueNames.IsPath(option) ? "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$current\"))" : ":";
                output.Write($"        {names}) {reply}; return ;;\n");
            }
        }

        output.Write("    esac\n    case \"$verb\" in\n");
        foreach (Command verb in verbs)
        {
            string options = string.Join(' ', OptionsOf(root, verb).SelectMany(ManualPage.NamesOf));
            output.Write($"        {verb.Name}) words=\"{options}\"; set -- {string.Join(' ', FirstValues(verb))} ;;\n");
        }

        output.Write($$"""
                esac
                if [[ "$current" == -* ]]; then
                    COMPREPLY=($(compgen -W "$words" -- "$current"))
                elif [ $# -gt 0 ]; then
                    COMPREPLY=($(compgen -W "$*" -- "$current"))
                else
                    compopt -o filenames
                    COMPREPLY=($(compgen -f -- "$current"))
                fi
            }
            complete -F _{{App.Name}} {{App.Name}}

            """.ReplaceLineEndings("\n"));
    }

    private static void WriteZsh(TextWriter output, Command root, Command[] verbs)
    {
        output.Write($"#compdef {App.Name}\n_{App.Name}() {{\n    local -a verbs=(\n");
        foreach (Command verb in verbs)
        {
            output.Write($"        {Quote($"{verb.Name}:{FirstSentence(verb.Description!)}")}\n");
        }

        output.Write(
            "    )\n    if (( CURRENT == 2 )); then\n        _describe verb verbs\n        return\n    fi\n    case $words[2] in\n");
        foreach (Command verb in verbs)
        {
            output.Write($"        {verb.Name}) _arguments -S");
            foreach (Option option in OptionsOf(root, verb))
            {
                foreach (string name in ManualPage.NamesOf(option))
                {
                    output.Write(
                        $" \\\n            {Quote($"*{name}[{Bracketed(FirstSentence(option.Description!))}]{ZshValue(option)}")}");
                }
            }

            string[] values = FirstValues(verb);
            string rest = values.Length > 0 ? $"*:value:({string.Join(' ', values)})" : "*:file:_files";
            output.Write($" \\\n            {Quote(rest)} ;;\n");
        }

        output.Write(
            $"    esac\n}}\nif [ \"$funcstack[1]\" = _{App.Name} ]; then _{App.Name} \"$@\"; else compdef _{App.Name} {App.Name}; fi\n");
    }

    private static void WriteFish(TextWriter output, Command root, Command[] verbs)
    {
        output.Write($"# fish completion of {App.Name}\n");
        foreach (Command verb in verbs)
        {
            output.Write(
                $"complete -c {App.Name} -n __fish_use_subcommand -f -a {verb.Name} -d {Quote(FirstSentence(verb.Description!))}\n");
        }

        foreach (Command verb in verbs)
        {
            string condition = $"complete -c {App.Name} -n '__fish_seen_subcommand_from {verb.Name}'";
            foreach (Option option in OptionsOf(root, verb))
            {
                string names = string.Join(' ', ManualPage.NamesOf(option).Select(name =>
                    name.StartsWith("--", StringComparison.Ordinal) ? $"-l {name[2..]}" : name == "-?" ? "" : $"-s {name[1..]}")
                    .Where(name => name.Length > 0));
                string[] values = Values(option);
                string value = !ValueNames.TakesValue(option) ? "" : values.Length > 0
                    ? $" -x -a '{string.Join(' ', values)}'" : ValueNames.IsPath(option) ? " -r -F" : " -x";
                output.Write($"{condition} {names}{value} -d {Quote(FirstSentence(option.Description!))}\n");
            }

            string[] first = FirstValues(verb);
            output.Write(first.Length == 0 ? "" : $"{condition} -f -a '{string.Join(' ', first)}'\n");
        }
    }

    private static IEnumerable<Option> OptionsOf(Command root, Command verb) =>
        verb.Options.Concat(root.Options.Where(option => option.Recursive)).Where(option => !option.Hidden);

    private static string[] Values(Option option) => Texts(option.GetCompletions(CompletionContext.Empty));

    // What may stand first where that is no file, such as the name of a verb behind "help".
    private static string[] FirstValues(Command verb) =>
        verb.Arguments.Count == 0 ? [] : Texts(verb.Arguments[0].GetCompletions(CompletionContext.Empty));

    private static string[] Texts(IEnumerable<CompletionItem> items) =>
        [.. items.Select(item => item.InsertText ?? item.Label).Where(text => !text.Contains(' ', StringComparison.Ordinal))];

    private static string ZshValue(Option option)
    {
        string[] values = Values(option);
        return !ValueNames.TakesValue(option) ? ""
            : $":{option.HelpName}:" + (values.Length > 0 ? $"({string.Join(' ', values)})" : ValueNames.IsPath(option) ? "_files" : " ");
    }

    private static string FirstSentence(string text)
    {
        int end = text.IndexOf(". ", StringComparison.Ordinal);
        return (end < 0 ? text : text[..end]).TrimEnd('.');
    }

    private static string Bracketed(string text) => text.Replace("[", "\\[", StringComparison.Ordinal)
        .Replace("]", "\\]", StringComparison.Ordinal).Replace(":", "\\:", StringComparison.Ordinal);

    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
