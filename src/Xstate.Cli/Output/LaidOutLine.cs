using System.Text;
using Wcwidth;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>
/// One line of a report, piece by piece, and how it is broken: between words, in long hexadecimal numbers between bytes, and where a text
/// was said to begin, below that beginning. Names are not broken, whatever is in them. Its text is safe already.
/// </summary>
internal sealed class LaidOutLine
{
    private const int Indent = 2;
    private const int DeepIndent = 4;

    private readonly List<(TextMark Mark, string Text)> _pieces = [];
    private int? _hang;
    private int? _column;
    private int _length;

    /// <summary>Whether nothing was written to it yet.</summary>
    public bool IsEmpty => _length == 0;

    /// <summary>Cells of a text.</summary>
    public static int Measure(string text)
    {
        int cells = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            cells += rune.IsAscii ? 1 : Math.Max(0, UnicodeCalculator.GetWidth(rune));
        }

        return cells;
    }

    /// <summary>Adds a piece.</summary>
    public void Add(TextMark mark, string text)
    {
        if (text.Length > 0)
        {
            _pieces.Add((mark, text));
            _length += text.Length;
        }
    }

    /// <summary>What follows is one text.</summary>
    public void Hang() => _hang = _length;

    /// <summary>Where it goes on.</summary>
    public void GoOnAt(int column) => _column = column;

    /// <summary>The lines that it makes, each as pieces, without blanks at their ends.</summary>
    public IEnumerable<List<(TextMark Mark, string Text)>> Break(int width)
    {
        if (Measure(string.Concat(_pieces.Select(piece => piece.Text))) <= width)
        {
            return [_pieces];
        }

        List<LaidOutWord> words = [.. Words()];
        if (words.Count == 0)
        {
            return [[]];
        }

        int indent = words[0].Blanks;
        int? column = _hang is null ? null : ColumnOfHang(words);
        int rest = words.Where(word => word.Start >= _hang).Select((word, i) => word.Cells + (i == 0 ? 0 : word.Blanks)).Sum();

        // A narrow column of words is worse to read than the same words below.
        bool isBelow = column > width / 2 - 2 && column + rest > width;
        int next = column is null ? _column ?? indent + Indent : isBelow ? indent + DeepIndent : column.Value;
        return new LineBreaker(width, Math.Min(next, width / 2), isBelow ? _hang : null).Break(words);
    }

    private int ColumnOfHang(List<LaidOutWord> words) =>
        words.TakeWhile(word => word.Start < _hang).Sum(word => word.Blanks + word.Cells)
        + (words.FirstOrDefault(word => word.Start >= _hang)?.Blanks ?? 0);

    // Words with the blanks before them. What is one word may have several marks, such as a rule in brackets.
    private IEnumerable<LaidOutWord> Words()
    {
        LaidOutWord word = new(0);
        int at = 0;
        foreach ((TextMark mark, string text) in _pieces)
        {
            for (int i = 0; i < text.Length;)
            {
                bool isBlank = text[i] == ' ' && !LaidOutWord.IsWhole(mark);
                int end = i + 1;
                while (end < text.Length && !LaidOutWord.IsWhole(mark) && text[end] == ' ' == isBlank)
                {
                    end++;
                }

                end = LaidOutWord.IsWhole(mark) ? text.Length : end;
                if (isBlank || (at + i == _hang && !word.IsEmpty))
                {
                    if (!word.IsEmpty)
                    {
                        yield return word;
                        word = new LaidOutWord(at + i);
                    }

                    word.Blanks += isBlank ? end - i : 0;
                }

                if (!isBlank)
                {
                    if (word.IsEmpty)
                    {
                        word = new LaidOutWord(at + i) { Blanks = word.Blanks };
                    }

                    word.Pieces.Add((mark, text[i..end]));
                }

                i = end;
            }

            at += text.Length;
        }

        if (!word.IsEmpty)
        {
            yield return word;
        }
    }
}
