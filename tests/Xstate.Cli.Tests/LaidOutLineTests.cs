using Xstate.Cli.Output;
using Xstate.Reports;

namespace Xstate.Cli.Tests;

public class LaidOutLineTests
{
    [Theory]
    [InlineData("  two words that are too long for a line", "  two words that are|    too long for a|    line")]
    [InlineData("short enough", "short enough")]
    [InlineData("exactly twenty cells", "exactly twenty cells")]
    [InlineData("exactly twenty-one ce", "exactly twenty-one|  ce")]
    [InlineData("a /path/that/is/longer/than/a/line and more", "a|  /path/that/is/longer/than/a/line|  and more")]
    [InlineData("0123456789abcdef0123456789abcdef", "0123456789abcdef0123|  456789abcdef")]
    [InlineData("x 0123456789abcdef0123456789abcdef0123456789abcdef, y",
        "x 0123456789abcdef01|  23456789abcdef0123|  456789abcdef, y")]
    [InlineData("               and-a-long-word", "     and-a-long-word")]
    [InlineData("  a-word-of-more-than-one-line and more", "  a-word-of-more-than-one-line|    and more")]
    [InlineData("one,two,three,four,five,six,seven", "one,two,three,four,|  five,six,seven")]
    [InlineData("                              ", "")]
    [InlineData("漢字漢字漢字漢字 漢字漢字", "漢字漢字漢字漢字|  漢字漢字")]
    public void A_line_is_broken_between_words_bytes_and_items(string text, string broken)
    {
        LaidOutLine line = new();
        line.Add(TextMark.None, text);
        Assert.Equal(broken, Text(line.Break(20)));
    }

    [Fact]
    public void What_hangs_goes_on_below_its_beginning()
    {
        LaidOutLine line = new();
        line.Add(TextMark.None, "  k0   ");
        line.Hang();
        line.Add(TextMark.None, "some words and 00112233445566778899aabbccddeeff");
        Assert.Equal("  k0   some words and|       00112233445566|       778899aabbccdd|       eeff", Text(line.Break(21)));
    }

    [Fact]
    public void What_would_hang_in_a_narrow_column_stands_below()
    {
        LaidOutLine line = new();
        line.Add(TextMark.None, "  a-long-name  ");
        line.Hang();
        line.Add(TextMark.None, "and what it means in words");
        Assert.Equal("  a-long-name|      and what it|      means in words", Text(line.Break(21)));
        Assert.Equal("  a-long-name  and what it means in words", Text(line.Break(42)));
    }

    [Fact]
    public void A_name_is_not_broken_whatever_is_in_it()
    {
        LaidOutLine line = new();
        line.Add(TextMark.None, "see ");
        line.Add(TextMark.Name, "a name, with blanks, 00112233445566778899aabbccddeeff");
        line.Add(TextMark.None, ": it says so");
        Assert.Equal("see|  a name, with blanks, 00112233445566778899aabbccddeeff:|  it says so", Text(line.Break(20)));
    }

    [Fact]
    public void Bytes_are_broken_at_even_digits_at_every_width()
    {
        string bytes = string.Concat(Enumerable.Range(0, 64).Select(value => value.ToString("x2", null)));
        for (int width = 8; width < 140; width++)
        {
            LaidOutLine line = new();
            line.Add(TextMark.None, "  zmm0 ");
            line.Hang();
            line.Add(TextMark.None, bytes);
            string[] lines = Text(line.Break(width)).Split('|');
            Assert.All(lines, one => Assert.True(one.Length <= Math.Max(width, 6), $"{one.Length} cells of {width}: {one}"));
            Assert.Equal(bytes, string.Concat(lines.Select(one => one.Replace("zmm0", "", StringComparison.Ordinal).Trim())));
            Assert.All(lines, one => Assert.Equal(0, one.Replace("zmm0", "", StringComparison.Ordinal).Trim().Length % 2));
        }
    }

    private static string Text(IEnumerable<List<(TextMark Mark, string Text)>> lines) =>
        string.Join('|', lines.Select(line => string.Concat(line.Select(piece => piece.Text))));
}
