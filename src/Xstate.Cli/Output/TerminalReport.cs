using System.Globalization;
using System.Text;
using Spectre.Console;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>
/// The one door to a terminal that somebody looks at: what <see cref="TerminalWriter"/> escapes is escaped here too, before anything else;
/// then lines are broken to the width and their pieces coloured. Nothing is parsed: no text can become a colour, or a line.
/// </summary>
internal sealed class TerminalReport : TextWriter, ITextLayout
{
    private readonly TextWriter _inner;
    private readonly TerminalLook _look;
    private readonly Action? _before;
    private readonly AnsiWriter _ansi;
    private readonly StringWriter _safe = new(CultureInfo.InvariantCulture);
    private readonly TerminalWriter _door;
    private LaidOutLine _line = new();

    /// <summary>A report on a terminal.</summary>
    /// <param name="inner">Where to.</param>
    /// <param name="look">What the terminal shows.</param>
    /// <param name="listsAll">Whether lists are written to their end.</param>
    /// <param name="before">What is done before a line goes out; null for nothing.</param>
    public TerminalReport(TextWriter inner, TerminalLook look, bool listsAll, Action? before = null)
        : base(CultureInfo.InvariantCulture)
    {
        _before = before;
        _inner = inner;
        _look = look;
        ListsAll = listsAll;
        _door = new TerminalWriter(_safe);
        _ansi = new AnsiWriter(inner, new AnsiCapabilities
        {
            Ansi = true,
            ColorSystem = look.HasColor ? ColorSystem.Standard : ColorSystem.NoColors,
        });
    }

    public override Encoding Encoding => _inner.Encoding;

    public int Width => _look.Width;

    public bool ListsAll { get; }

    public bool IsUnicode => _look.IsUnicode;

    public int Measure(string text) => LaidOutLine.Measure(Safe(text));

    public override void Write(char value) => Add(TextMark.None, [value]);

    public override void Write(string? value) => Add(TextMark.None, value);

    public override void Write(char[] buffer, int index, int count) => Add(TextMark.None, buffer.AsSpan(index, count));

    public override void Write(ReadOnlySpan<char> buffer) => Add(TextMark.None, buffer);

    public void Write(TextMark mark, string text) => Add(mark, text);

    public void Hang() => _line.Hang();

    public void GoOnAt(int column) => _line.GoOnAt(column);

    public override void WriteLine()
    {
        _before?.Invoke();
        foreach (List<(TextMark Mark, string Text)> line in _line.Break(_look.Width))
        {
            Write(line);
            _inner.Write('\n');
        }

        _line = new LaidOutLine();
    }

    public override void WriteLine(string? value)
    {
        Write(value);
        WriteLine();
    }

    /// <summary>What was written to a line that is not ended yet goes out as it is.</summary>
    public override void Flush()
    {
        if (!_line.IsEmpty)
        {
            foreach (List<(TextMark Mark, string Text)> line in _line.Break(int.MaxValue))
            {
                Write(line);
            }

            _line = new LaidOutLine();
        }

        _inner.Flush();
    }

    private void Add(TextMark mark, ReadOnlySpan<char> text)
    {
        if (!text.IsEmpty)
        {
            _line.Add(mark, Safe(text));
        }
    }

    private string Safe(ReadOnlySpan<char> text)
    {
        _safe.GetStringBuilder().Clear();
        _door.Write(text);
        return _safe.ToString();
    }

    private void Write(List<(TextMark Mark, string Text)> line)
    {
        foreach ((TextMark mark, string text) in line)
        {
            Style style = StyleOf(mark);
            if (style == Style.Plain)
            {
                _inner.Write(text);
            }
            else
            {
                _ansi.Style(style);
                _inner.Write(text);
                _ansi.ResetStyle();
            }
        }
    }

    // Colours of the terminal's own sixteen, so that they are readable on whatever it has behind the text.
    private static Style StyleOf(TextMark mark) => mark switch
    {
        TextMark.Heading => new Style(decoration: Decoration.Bold),
        TextMark.Fine => new Style(Color.Green, decoration: Decoration.Bold),
        TextMark.Doubtful => new Style(Color.Olive, decoration: Decoration.Bold),
        TextMark.Wrong => new Style(Color.Maroon, decoration: Decoration.Bold),
        TextMark.Dangerous => new Style(Color.Maroon, decoration: Decoration.Bold | Decoration.Invert),
        TextMark.Remark => new Style(Color.Teal),
        TextMark.Aside => new Style(decoration: Decoration.Dim),
        TextMark.Next or TextMark.Command => new Style(Color.Teal, decoration: Decoration.Bold),
        _ => Style.Plain,
    };
}
