using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>
/// A table as text, a row at a time: columns are two spaces apart, and a cell that is wider than its column moves only its own row. The
/// last column is as wide as it needs. Where the text is laid out to a width that the columns do not fit, the first one becomes a line
/// above those that it is the same for, and where that is not enough each cell is a line.
/// </summary>
internal sealed class TextTable
{
    private const int MaxWidth = 40;
    private const int Gap = 2;

    // The last column is read, and needs room for some words.
    private const int LeastOfLast = 20;

    private static readonly Dictionary<string, Verdict> Verdicts = Enum.GetValues<Verdict>()
        .ToDictionary(CheckReport.NameOf, StringComparer.Ordinal);

    private readonly TextWriter _output;
    private readonly ITextLayout? _layout;
    private readonly string[] _heads;
    private readonly int[] _widths;
    private readonly Form _form;
    private string? _group;

    /// <summary>Begins a table with its head.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="columns">The columns: head, and the longest cell that is expected.</param>
    public TextTable(TextWriter output, IReadOnlyList<(string Head, int Width)> columns)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(columns);
        _output = output;
        _layout = output as ITextLayout;
        _heads = [.. columns.Select(column => column.Head)];
        _widths = [.. columns.Select(column => Math.Max(column.Head.Length, Math.Min(column.Width, MaxWidth)))];
        _form = FormFor(columns);
        WriteHead();
    }

    private enum Form
    {
        Flat,
        Grouped,
        Records,
    }

    /// <summary>Writes a row. An empty cell is a dash, so that the number of fields stays the same; the last one may be empty.</summary>
    public void Write(IEnumerable<string> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        string[] row = [.. cells];
        if (_form == Form.Flat)
        {
            WriteCells(row, 0, i => MarkOf(_heads[i], row[i]));
            return;
        }

        if (_form == Form.Records || row[0] != _group)
        {
            _output.MarkLine("", TextMark.Name, row[0]);
            _group = row[0];
        }

        if (_form == Form.Grouped)
        {
            _output.Write(new string(' ', Gap));
            WriteCells(row, 1, i => MarkOf(_heads[i], row[i]));
        }
        else
        {
            WriteRecord(row);
        }
    }

    private static TextMark MarkOf(string head, string cell) => head switch
    {
        "VERDICT" or "BEFORE" or "AFTER" => Verdicts.TryGetValue(cell, out Verdict verdict) ? TextLayouts.MarkOf(verdict)
            : cell == "consistent" ? TextMark.Fine : cell is "error" or "contradicts" or "damaged" ? TextMark.Wrong : TextMark.None,
        "ERRORS" when cell is not "0" => TextMark.Wrong,
        "WARNINGS" when cell is not ("0" or "" or "-") => TextMark.Doubtful,
        "FILE" or "HOST" or "KERNEL" or "OUTPUT" => TextMark.Name,
        _ => TextMark.None,
    };

    private Form FormFor(IReadOnlyList<(string Head, int Width)> columns)
    {
        if (_layout is null || columns.Count == 0)
        {
            return Form.Flat;
        }

        int last = Math.Max(columns[^1].Head.Length, columns[^1].Width == 0 ? LeastOfLast : Math.Min(columns[^1].Width, LeastOfLast));
        int all = _widths.SkipLast(1).Sum(width => width + Gap) + last;
        return all <= _layout.Width ? Form.Flat
            : columns.Count > 2 && all - _widths[0] <= _layout.Width ? Form.Grouped : Form.Records;
    }

    private void WriteHead()
    {
        if (_form == Form.Records || _heads.Length == 0)
        {
            return;
        }

        if (_form == Form.Grouped)
        {
            _output.MarkLine("", TextMark.Heading, _heads[0]);
            _output.Write(new string(' ', Gap));
        }

        WriteCells(_heads, _form == Form.Grouped ? 1 : 0, _ => TextMark.Heading);
    }

    private void WriteCells(string[] row, int first, Func<int, TextMark> mark)
    {
        for (int i = first; i < row.Length; i++)
        {
            bool isLast = i == row.Length - 1 || row.Skip(i + 1).All(cell => cell.Length == 0);
            string cell = row[i].Length == 0 && !isLast ? "-" : row[i];
            if (isLast)
            {
                _output.Hang();
                _output.Mark(mark(i), cell);
                break;
            }

            int cells = _layout?.Measure(cell) ?? cell.Length;
            _output.Mark(mark(i), cell);
            _output.Write(new string(' ', Math.Max(0, _widths[i] - cells) + Gap));
        }

        _output.WriteLine();
    }

    private void WriteRecord(string[] row)
    {
        int width = _heads.Max(head => head.Length);
        for (int i = 1; i < row.Length; i++)
        {
            if (row[i].Length > 0)
            {
                _output.Mark(TextMark.Aside, $"  {_heads[i].PadRight(width)}  ");
                _output.Hang();
                _output.Mark(MarkOf(_heads[i], row[i]), row[i]);
                _output.WriteLine();
            }
        }
    }
}
