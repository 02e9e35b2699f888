namespace Xstate.Cli.Tests;

/// <summary>What holds of a text that was laid out to a width.</summary>
internal static class LaidOut
{
    // What only a terminal gets: the count of a list that is cut short.
    private const string OnTerminals = "… and more (--details lists them)";

    /// <summary>Holds lines against the plain text that they were made from.</summary>
    /// <param name="lines">What is seen.</param>
    /// <param name="plain">The plain text.</param>
    /// <param name="width">Cells of a line.</param>
    public static void Hold(IEnumerable<string> lines, string plain, int width)
    {
        HashSet<string> words = [.. Words(plain), .. Words(OnTerminals)];
        lines = lines.TakeWhile(line => !line.StartsWith("next: ", StringComparison.Ordinal)).ToArray();
        Assert.NotEmpty(lines);
        foreach (string line in lines)
        {
            string[] seen = [.. Words(line)];
            Assert.True(line.Length <= width || seen.Any(IsName), $"{line.Length} cells of {width}: {line}");
            Assert.False(line.EndsWith(' '), $"blanks at the end: '{line}'");
            Assert.All(seen,
                word => Assert.True(words.Contains(word) || IsPart(word, words), $"'{word}' is no word of the text: {line}"));
        }

        // Nothing is lost either: a word that is not there was broken between its bytes or its items.
        HashSet<string> found = [.. lines.SelectMany(Words)];
        Assert.All(words.Except([.. Words(OnTerminals), "(--json"]), word => Assert.True(
            found.Contains(word) || word.Contains(',', StringComparison.Ordinal) || IsBytes(word.TrimEnd(',', ';', '.'))
                || word.All(char.IsAsciiLetterUpper),
            $"'{word}' is missing"));
    }

    private static IEnumerable<string> Words(string text) =>
        text.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);

    // A name or a path may be wider than the terminal.
    private static bool IsName(string word) => word.AsSpan().ContainsAny("/@_");

    private static bool IsPart(string word, HashSet<string> words) =>
        (IsBytes(word.TrimEnd(',', ';', '.')) || word.EndsWith(',') || word.Contains(',', StringComparison.Ordinal))
        && words.Any(whole => whole.Length > word.Length && whole.Contains(word, StringComparison.Ordinal)
            && (!IsBytes(word) || IsAtByte(whole, word)));

    private static bool IsBytes(string word) => word.Length > 0 && word.Length % 2 == 0
        && word.All(digit => char.IsAsciiHexDigitLower(digit) || digit == '?');

    private static bool IsAtByte(string whole, string part)
    {
        for (int at = whole.IndexOf(part, StringComparison.Ordinal); at >= 0; at = whole.IndexOf(part, at + 1, StringComparison.Ordinal))
        {
            if (at % 2 == 0)
            {
                return true;
            }
        }

        return false;
    }
}
