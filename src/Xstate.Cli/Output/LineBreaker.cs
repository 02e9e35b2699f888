using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>Breaks the words of a line.</summary>
/// <param name="width">Cells of a line.</param>
/// <param name="indent">What each line but the first begins with.</param>
/// <param name="before">The first word from this place on begins a line, whether it has room or not; null for none.</param>
internal sealed class LineBreaker(int width, int indent, int? before)
{
    // So many hexadecimal digits are worth the rest of a line.
    private const int FewestOnALine = 8;

    private readonly List<List<(TextMark Mark, string Text)>> _lines = [];
    private List<(TextMark Mark, string Text)> _line = [];
    private int _column;

    public List<List<(TextMark Mark, string Text)>> Break(List<LaidOutWord> words)
    {
        bool isBroken = false;
        foreach (LaidOutWord word in words)
        {
            bool isForced = before is { } at && word.Start >= at && !isBroken;
            isBroken |= isForced;
            int blanks = _lines.Count > 0 && _column == indent && _line.Count <= 1 ? 0 : word.Blanks;
            bool isFirst = _column == 0 && _lines.Count == 0;
            blanks = isFirst ? Behind(word, isForced ? Math.Min(blanks, indent) : blanks) : blanks;
            isForced &= !isFirst;

            if (!isForced && _column + blanks + word.Cells <= width)
            {
                Put(word, blanks);
            }
            else if (word.IsBytes && word.Cells > width - indent)
            {
                PutBytes(word, isForced ? width : blanks);
            }
            else if (word.Cells > width - indent && word.Pieces is [var piece] && !LaidOutWord.IsWhole(piece.Mark)
                && piece.Text.Contains(',', StringComparison.Ordinal))
            {
                PutParts(piece, isForced ? width : blanks);
            }
            else
            {
                if (!isFirst)
                {
                    // What is too wide behind the indent may fit without it.
                    NewLine(Behind(word, indent));
                    blanks = 0;
                }

                Put(word, blanks);
            }
        }

        _lines.Add(_line);
        return _lines;
    }

    // Of an indent as much as leaves the word room, and all of it where nothing does.
    private int Behind(LaidOutWord word, int blanks) => word.Cells > width ? blanks : Math.Clamp(width - word.Cells, 0, blanks);

    private void Put(LaidOutWord word, int blanks)
    {
        // Blanks between words of one mark have it too: the line has fewer pieces.
        TextMark between = _line.Count > 0 && _line[^1].Mark == word.Pieces[0].Mark ? _line[^1].Mark : TextMark.None;
        Put(between, new string(' ', blanks));
        foreach ((TextMark mark, string text) in word.Pieces)
        {
            Put(mark, text);
        }
    }

    private void Put(TextMark mark, string text)
    {
        if (text.Length > 0)
        {
            _column += LaidOutLine.Measure(text);
            if (_line.Count > Math.Min(_lines.Count, 1) && _line[^1].Mark == mark)
            {
                _line[^1] = (mark, _line[^1].Text + text);
            }
            else
            {
                _line.Add((mark, text));
            }
        }
    }

    private void PutBytes(LaidOutWord word, int blanks)
    {
        (TextMark mark, string text) = word.Pieces[0];
        for (int at = 0; at < text.Length;)
        {
            int room = width - _column - blanks & -2;
            if (room < Math.Min(FewestOnALine, text.Length - at))
            {
                NewLine();
                blanks = 0;
                room = Math.Max(2, width - _column & -2);
            }

            Put(TextMark.None, new string(' ', blanks));
            blanks = 0;

            // What ends a sentence does not begin a line.
            int length = text.Length - at <= room + 1 && !char.IsAsciiHexDigit(text[^1]) && text.Length - at <= width - _column
                ? text.Length - at : Math.Min(room, text.Length - at);
            Put(mark, text.Substring(at, length));
            at += length;
        }
    }

    // A list without blanks.
    private void PutParts((TextMark Mark, string Text) piece, int blanks)
    {
        for (int at = 0; at < piece.Text.Length;)
        {
            int comma = piece.Text.IndexOf(',', at);
            string part = piece.Text[at..(comma < 0 ? piece.Text.Length : comma + 1)];
            if (_column + blanks + LaidOutLine.Measure(part) > width)
            {
                NewLine();
                blanks = 0;
            }

            Put(TextMark.None, new string(' ', blanks));
            blanks = 0;
            Put(piece.Mark, part);
            at += part.Length;
        }
    }

    private void NewLine() => NewLine(indent);

    private void NewLine(int blanks)
    {
        if (_lines.Count > 0 && _column == blanks && _line.Count <= 1)
        {
            return;
        }

        _lines.Add(_line);
        _line = [];
        _column = 0;
        Put(TextMark.None, new string(' ', blanks));
    }
}
