using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Reports;

/// <summary>
/// The XSAVE area to scale: a line for each part at its place, with its offset, its size and what becomes of it, told by word, by the
/// filling of its bar and, where there is any, by colour.
/// </summary>
internal static class AreaDrawing
{
    private const int PlainWidth = 80;
    private const int NameWidth = 11;
    private const int PlaceWidth = 14;
    private const int UseWidth = 8;

    // Below this width the bar has a line of its own.
    private const int Wide = 60;

    private static readonly (AreaUse Use, string Word, TextMark Mark, char Ascii, char Block, string Meaning)[] Uses =
    [
        (AreaUse.InUse, "in use", TextMark.Fine, '#', '█', "XSTATE_BV has it"),
        (AreaUse.Initial, "initial", TextMark.Aside, '.', '░', "it has its initial value, whatever the bytes are"),
        (AreaUse.Hidden, "hidden", TextMark.Doubtful, '?', '▓', "in use, although the guest's CPUID or XCR0 does not have it"),
        (AreaUse.Dropped, "dropped", TextMark.Wrong, 'x', '╳', "the guest has it, and the file does not hold it"),
        (AreaUse.LeftOut, "left out", TextMark.Wrong, '-', '▚', "in use; the target does not take it, or a repair leaves it out"),
        (AreaUse.Header, "header", TextMark.Remark, '=', '▒', "XSTATE_BV and XCOMP_BV"),
    ];

    /// <summary>Draws the area of a state.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="state">The state, with the layout that it was completed with.</param>
    /// <param name="unit">What the state is: a vCPU or a thread.</param>
    /// <param name="leftOut">The components that a target does not take.</param>
    public static void Write(TextWriter output, CapturedState state, string unit, StateComponentSet leftOut)
    {
        if (state.Layout is not { } layout)
        {
            output.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"{unit} {state.Id}: nothing tells the layout; --layout FILE gives the CPUID of the processor that wrote the area"));
            return;
        }

        XsaveArea area = state.ReadArea();
        AreaRow[] rows = [.. AreaRow.Of(state, layout.Value, leftOut)];
        int end = Math.Max(area.Bytes.Length, rows.Max(row => row.Offset + row.Size));
        int width = (output as ITextLayout)?.Width ?? PlainWidth;
        int cells = width < Wide ? width - 4 : width - NameWidth - PlaceWidth - UseWidth - 4;
        output.WriteLine();
        output.Mark(TextMark.Heading, string.Create(CultureInfo.InvariantCulture, $"{unit} {state.Id}"));
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $": {(area.IsCompacted ? "compacted" : "standard")} format, {area.Bytes.Length} bytes, "
            + $"{Math.Max(1, end / cells)} bytes a cell"));
        WriteLayout(output, layout.Provenance);
        WriteDisabled(output, state);
        foreach (AreaRow row in rows)
        {
            WriteRow(output, row, end, cells, width < Wide);
        }

        if (area.Bytes.Length < end)
        {
            output.MarkLine("  ", TextMark.Wrong, string.Create(CultureInfo.InvariantCulture,
                $"the file ends at byte {area.Bytes.Length} of {end}"));
        }
    }

    /// <summary>Says what the fillings and colours of the drawings of some states mean.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="states">The states, each with the components that a target does not take.</param>
    public static void WriteLegend(TextWriter output, IEnumerable<(CapturedState State, StateComponentSet LeftOut)> states)
    {
        HashSet<AreaUse> used = [.. states.Where(one => one.State.Layout is not null)
            .SelectMany(one => AreaRow.Of(one.State, one.State.Layout!.Value, one.LeftOut)).Select(row => row.Use)];
        output.WriteLine();
        foreach ((AreaUse use, string word, TextMark mark, _, _, string meaning) in Uses.Where(one => used.Contains(one.Use)))
        {
            output.Write("  ");
            output.Mark(mark, new string(Filling(output, use), 2));
            output.Mark(mark, $" {word,-UseWidth}");
            output.WriteHanging(" ", meaning);
        }
    }

    private static void WriteLayout(TextWriter output, Provenance provenance)
    {
        bool isKnown = provenance.Source != FactSource.Guess;
        output.MarkLine("  ", isKnown ? TextMark.Aside : TextMark.Doubtful,
            (isKnown ? "layout: " : "the layout is not known, and drawn as if: ") + Quotation.Cut(provenance.Detail, Quotation.MaxProse));
    }

    // The state stays, and the guest does not reach it: what uses it faults first.
    private static void WriteDisabled(TextWriter output, CapturedState state)
    {
        if (state.Xfd is { Value: { IsEmpty: false } disabled })
        {
            output.MarkLine("  ", TextMark.Doubtful,
                $"IA32_XFD {disabled.Describe()}: disabled, an instruction that uses it takes #NM");
        }
    }

    private static void WriteRow(TextWriter output, AreaRow row, int end, int cells, bool isNarrow)
    {
        (_, string word, TextMark mark, _, _, _) = Uses[(int)row.Use];
        string place = row.Size == 0 ? "no place" : string.Create(CultureInfo.InvariantCulture, $"{row.Offset,5} +{row.Size,-5}");
        (int first, int length) = Bar(row, end, cells);
        if (isNarrow)
        {
            output.Write($"  {row.Name,-NameWidth}{place,-PlaceWidth}");
            output.MarkLine("", mark, word);
            if (length > 0)
            {
                output.MarkLine(new string(' ', 2 + first), mark, new string(Filling(output, row.Use), length));
            }

            return;
        }

        output.Write($"  {row.Name,-NameWidth}{new string(' ', first)}");
        output.Mark(mark, new string(Filling(output, row.Use), length));
        output.Write($"{new string(' ', cells - first - length)}  {place,-PlaceWidth}");
        output.MarkLine("", mark, word);
    }

    // To scale, and never so small that it is not seen.
    private static (int First, int Length) Bar(AreaRow row, int end, int cells)
    {
        if (row.Size == 0)
        {
            return (0, 0);
        }

        int first = Math.Min((int)((long)row.Offset * cells / end), cells - 1);
        int last = (int)(((long)row.Offset + row.Size) * cells / end);
        return (first, Math.Max(1, Math.Min(last, cells) - first));
    }

    private static char Filling(TextWriter output, AreaUse use) =>
        output is ITextLayout { IsUnicode: true } ? Uses[(int)use].Block : Uses[(int)use].Ascii;
}
