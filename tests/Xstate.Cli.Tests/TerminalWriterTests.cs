using System.Text;
using Xstate.Cli.Output;

namespace Xstate.Cli.Tests;

public class TerminalWriterTests
{
    [Theory]
    [InlineData("plain text, äöü, 漢字, 😀 and \\", "plain text, äöü, 漢字, 😀 and \\")]
    [InlineData("\u001b[31m", "\\u001b[31m")]
    [InlineData("a\nb\r\tc\0\a\u007f", "a\\u000ab\\u000d\\u0009c\\u0000\\u0007\\u007f")]
    [InlineData("\u009b31m\u0080\u009f", "\\u009b31m\\u0080\\u009f")]
    [InlineData("\u202e\u2066\u200f\u061c\ufeff\u200b", "\\u202e\\u2066\\u200f\\u061c\\ufeff\\u200b")]
    [InlineData("\u2028\u2029\u0085", "\\u2028\\u2029\\u0085")]
    [InlineData("\U000e0041", "\\U000e0041")]
    public void What_a_terminal_would_act_on_is_shown_as_an_escape(string text, string shown)
    {
        Assert.Equal(shown + "\n", Written(writer => writer.WriteLine(text)));
        Assert.Equal(shown, Written(writer => writer.Write(text)));
        Assert.Equal(shown, Written(writer => writer.Write(text.ToCharArray())));
    }

    [Fact]
    public void Half_a_pair_of_surrogates_is_shown_by_its_number() =>
        Assert.Equal("\\ud800x\\udc00😀\n", Written(writer => writer.WriteLine("\ud800x\udc00\ud83d\ude00")));

    [Fact]
    public void Lines_end_with_what_ends_a_line_and_with_nothing_else()
    {
        Assert.Equal("a\\u000ab\n\n7\n", Written(writer =>
        {
            writer.WriteLine("a\nb");
            writer.WriteLine();
            writer.WriteLine(7);
        }));
    }

    [Fact]
    public void Every_character_of_the_basic_plane_is_shown_or_escaped_and_none_is_lost()
    {
        for (int value = 0; value < 0xD800; value++)
        {
            string text = ((char)value).ToString();
            string written = Written(writer => writer.Write(text));
            Assert.Equal(TerminalWriter.IsUnsafe(new Rune(value)) ? $"\\u{value:x4}" : text, written);
            Assert.False(char.IsControl(written[0]));
        }
    }

    private static string Written(Action<TextWriter> write)
    {
        StringWriter inner = new() { NewLine = "\n" };
        using TerminalWriter writer = new(inner);
        write(writer);
        return inner.ToString();
    }
}
