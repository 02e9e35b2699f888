using System.Text;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>A command of a block, and what the page says that it prints.</summary>
/// <param name="Line">The number of its line on the page, from 1.</param>
/// <param name="Text">The command without the prompt, in one line.</param>
/// <param name="Length">How many lines of the page it takes.</param>
/// <param name="Shown">The lines behind it.</param>
internal sealed record ShownCommand(int Line, string Text, int Length, IReadOnlyList<string> Shown)
{
    /// <summary>A line that stands for one line or more that the page leaves out.</summary>
    public const string Omitted = "…";

    /// <summary>The command that prints the exit code of the one before it.</summary>
    public const string ExitCode = "echo $?";

    private static readonly string[] Starts = ["xstate ", "dotnet run --project src/Xstate.Cli -- "];

    /// <summary>Why a test cannot run it as it stands, or null.</summary>
    public string? Obstacle =>
        Text == ExitCode || (Start is not null && !Words.Contains("local") && !Words.Contains("--pid")) ? ShellCharacter(Text)
        : Start is null ? "it is another program" : "it asks this machine";

    /// <summary>The arguments of xstate.</summary>
    public IReadOnlyList<string> Words => Split(Text[(Start ?? "").Length..]);

    private string? Start => Starts.FirstOrDefault(start => Text.StartsWith(start, StringComparison.Ordinal));

    /// <summary>Whether the lines shown are those that were printed.</summary>
    public bool Shows(IReadOnlyList<string> printed) => Matches(Shown, 0, printed, 0);

    // A marker takes one line at least; what stands behind it has to be found in order, up to the end.
    private static bool Matches(IReadOnlyList<string> shown, int next, IReadOnlyList<string> printed, int line)
    {
        for (; next < shown.Count && shown[next].Trim() != Omitted; next++, line++)
        {
            if (line >= printed.Count || shown[next] != printed[line])
            {
                return false;
            }
        }

        return next == shown.Count
            ? line == printed.Count
            : Enumerable.Range(line + 1, Math.Max(0, printed.Count - line)).Any(start => Matches(shown, next + 1, printed, start));
    }

    // A page's commands are words and quotation marks; whatever else a shell would do with a line is another program's work.
    private static string? ShellCharacter(string text)
    {
        bool quoted = false;
        foreach (char letter in text == ExitCode ? "" : text.Split(" #")[0])
        {
            quoted ^= letter == '\'';
            if (!quoted && "|<>;&$`\\*?(){}".Contains(letter, StringComparison.Ordinal))
            {
                return $"it has {letter}, which is the shell's";
            }
        }

        return quoted ? "a quotation mark is not closed" : null;
    }

    private static List<string> Split(string text)
    {
        List<string> words = [];
        StringBuilder word = new();
        bool begun = false;
        char quote = '\0';
        foreach (char letter in text + " ")
        {
            if (quote == letter || (quote == '\0' && letter is '\'' or '"'))
            {
                quote = quote == '\0' ? letter : '\0';
                begun = true;
            }
            else if (quote == '\0' && letter == ' ')
            {
                if (begun)
                {
                    words.Add(word.ToString());
                }

                word.Clear();
                begun = false;
            }
            else
            {
                word.Append(letter);
                begun = true;
            }
        }

        int comment = words.FindIndex(found => found.StartsWith('#'));
        return comment < 0 ? words : words[..comment];
    }
}
