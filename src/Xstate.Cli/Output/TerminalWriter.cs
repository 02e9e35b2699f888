using System.Globalization;
using System.Text;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>
/// The one door to the terminal. What a report writes may come from a file, a name, the command line or another process: control
/// characters, C1, marks of direction, and line feeds among
/// them are shown as escapes. A line ends with <see cref="WriteLine()"/> and its relatives only.
/// </summary>
internal sealed class TerminalWriter(TextWriter inner) : TextWriter(CultureInfo.InvariantCulture), ITextDetail
{
    public override Encoding Encoding => inner.Encoding;

    /// <inheritdoc/>
    public bool ListsAll { get; set; }

    /// <summary>Whether a terminal may take a character for something else than a letter on a line.</summary>
    public static bool IsUnsafe(Rune rune) =>
        Rune.GetUnicodeCategory(rune)
            is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator;

    /// <summary>A text as it is shown.</summary>
    public static string Escape(string text)
    {
        StringWriter shown = new(CultureInfo.InvariantCulture);
        using TerminalWriter writer = new(shown);
        writer.Write(text);
        return shown.ToString();
    }

    public override void Write(char value) => Write([value]);

    public override void Write(string? value) => Write(value.AsSpan());

    public override void Write(char[] buffer, int index, int count) => Write(buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer)
    {
        while (!buffer.IsEmpty)
        {
            int safe = SafeLength(buffer);
            inner.Write(buffer[..safe]);
            buffer = buffer[safe..];
            if (buffer.IsEmpty)
            {
                return;
            }

            // A lone surrogate has no rune; it is shown by its own number.
            bool isRune = Rune.DecodeFromUtf16(buffer, out Rune rune, out int length) == System.Buffers.OperationStatus.Done;
            inner.Write(isRune && rune.Value > char.MaxValue ? $"\\U{rune.Value:x8}" : $"\\u{(int)buffer[0]:x4}");
            buffer = buffer[length..];
        }
    }

    public override void WriteLine() => inner.Write('\n');

    public override void WriteLine(string? value)
    {
        Write(value.AsSpan());
        WriteLine();
    }

    public override void Flush() => inner.Flush();

    private static int SafeLength(ReadOnlySpan<char> text)
    {
        int at = 0;
        while (at < text.Length)
        {
            if (text[at] is >= ' ' and < '\x7f')
            {
                at++;
                continue;
            }

            if (Rune.DecodeFromUtf16(text[at..], out Rune rune, out int length) != System.Buffers.OperationStatus.Done || IsUnsafe(rune))
            {
                return at;
            }

            at += length;
        }

        return at;
    }
}
