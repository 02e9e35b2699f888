using System.Globalization;
using Xstate.Findings;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>How reports mark their text; a writer that is no <see cref="ITextLayout"/> gets the text alone.</summary>
internal static class TextLayouts
{
    /// <summary>Writes a piece of a line, with what it is.</summary>
    public static void Mark(this TextWriter output, TextMark mark, string text)
    {
        if (output is ITextLayout layout)
        {
            layout.Write(mark, text);
        }
        else
        {
            output.Write(text);
        }
    }

    /// <summary>Writes a line of one piece, behind its indent.</summary>
    public static void MarkLine(this TextWriter output, string indent, TextMark mark, string text)
    {
        output.Write(indent);
        output.Mark(mark, text);
        output.WriteLine();
    }

    /// <summary>Writes a line of a text that goes on below its beginning.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="before">What stands before the text.</param>
    /// <param name="text">The text.</param>
    public static void WriteHanging(this TextWriter output, string before, string text)
    {
        output.Write(before);
        output.Hang();
        output.WriteLine(text);
    }

    /// <summary>Says that what follows on this line is one text.</summary>
    public static void Hang(this TextWriter output) => (output as ITextLayout)?.Hang();

    /// <summary>Says in which column this line goes on where it is too long.</summary>
    public static void GoOnAt(this TextWriter output, int column) => (output as ITextLayout)?.GoOnAt(column);

    /// <summary>
    /// Writes the items of a list; where somebody sees it, of a long one the first, and how many more there are.
    /// </summary>
    /// <param name="output">Where to.</param>
    /// <param name="items">The list.</param>
    /// <param name="most">How many are not too long.</param>
    /// <param name="indent">What the line with the count begins with.</param>
    /// <param name="what">What one more of them is called, and several.</param>
    /// <param name="write">Writes an item.</param>
    public static void WriteList<T>(this TextWriter output, IReadOnlyCollection<T> items, int most, string indent,
        (string One, string Several) what, Action<T> write)
    {
        // One more item takes as many lines as the line that would count it.
        int shown = output is ITextLayout { ListsAll: false } && items.Count > most + 1 ? most : items.Count;
        foreach (T item in items.Take(shown))
        {
            write(item);
        }

        if (shown < items.Count)
        {
            int more = items.Count - shown;
            string count = more.ToString(CultureInfo.InvariantCulture);
            output.MarkLine(indent, TextMark.Aside, $"… and {count} more {(more == 1 ? what.One : what.Several)} (--details lists them)");
        }
    }

    /// <summary>What a severity is.</summary>
    public static TextMark MarkOf(Severity severity) => severity switch
    {
        Severity.Error => TextMark.Wrong,
        Severity.Warning => TextMark.Doubtful,
        _ => TextMark.Remark,
    };

    /// <summary>What a verdict is.</summary>
    public static TextMark MarkOf(Verdict verdict) => verdict switch
    {
        Verdict.Same => TextMark.Fine,
        Verdict.Unknown or Verdict.Repairable => TextMark.Doubtful,
        Verdict.Dangerous => TextMark.Dangerous,
        _ => TextMark.Wrong,
    };
}
