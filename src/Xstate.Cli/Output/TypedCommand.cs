namespace Xstate.Cli.Output;

/// <summary>A command that is shown to be typed: a long one goes on behind a backslash, so that a copy of it works.</summary>
internal static class TypedCommand
{
    private const string Continued = " \\";

    /// <summary>The lines of a command, broken before an option if that is enough.</summary>
    /// <param name="words">Its words, quoted as a shell wants them.</param>
    /// <param name="head">What stands before it.</param>
    /// <param name="indent">What stands before the other lines.</param>
    /// <param name="width">Cells of a line.</param>
    public static IEnumerable<string> Break(IEnumerable<string> words, string head, string indent, int width)
    {
        string line = head;
        foreach (string unit in Units(words, indent, width))
        {
            bool isFirst = line == head;
            if (!isFirst && LaidOutLine.Measure($"{line} {unit}{Continued}") > width)
            {
                yield return line + Continued;
                line = indent + unit;
            }
            else
            {
                line += isFirst ? unit : $" {unit}";
            }
        }

        yield return line;
    }

    /// <summary>A word as a shell takes it.</summary>
    public static string Quote(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "_@%+=:,./-".Contains(letter, StringComparison.Ordinal))
        ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    // An option with its values, unless they are wider than a line together.
    private static List<string> Units(IEnumerable<string> words, string indent, int width)
    {
        List<string> units = [];
        foreach (string word in words)
        {
            bool isJoined = units.Count > 0 && word[0] != '-' && LaidOutLine.Measure($"{indent}{units[^1]} {word}{Continued}") <= width;
            if (isJoined)
            {
                units[^1] += $" {word}";
            }
            else
            {
                units.Add(word);
            }
        }

        return units;
    }
}
