namespace Xstate.Reports;

/// <summary>
/// A table as text, a row at a time: columns are two spaces apart, and a cell that is wider than its column moves only its own row. The
/// last column is as wide as it needs.
/// </summary>
public sealed class TextTable
{
    private const int MaxWidth = 40;

    private readonly TextWriter _output;
    private readonly int[] _widths;

    /// <summary>Begins a table with its head.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="columns">The columns: head, and the longest cell that is expected.</param>
    public TextTable(TextWriter output, IReadOnlyList<(string Head, int Width)> columns)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(columns);
        _output = output;
        _widths = [.. columns.Select(column => Math.Max(column.Head.Length, Math.Min(column.Width, MaxWidth)))];
        Write(columns.Select(column => column.Head));
    }

    /// <summary>Writes a row. An empty cell is a dash, so that the number of fields stays the same; the last one may be empty.</summary>
    public void Write(IEnumerable<string> cells)
    {
        ArgumentNullException.ThrowIfNull(cells);
        string[] row = [.. cells];
        for (int i = 0; i < row.Length; i++)
        {
            bool isLast = i == row.Length - 1 || row.Skip(i + 1).All(cell => cell.Length == 0);
            string cell = row[i].Length == 0 && !isLast ? "-" : row[i];
            _output.Write(isLast ? cell : $"{cell.PadRight(_widths[i])}  ");
            if (isLast)
            {
                break;
            }
        }

        _output.WriteLine();
    }
}
