using System.Buffers;
using System.Buffers.Text;

namespace Xstate.Artifacts.Text;

/// <summary>Looks at one line.</summary>
internal delegate bool LinePredicate(ReadOnlySpan<byte> line);

/// <summary>
/// Walks the lines of a text that went through a mail, a ticket or a log on its way: what quotes a line or tells its time is left off. What
/// remains is read as strictly as if nobody had pasted it.
/// </summary>
internal ref struct PastedLines(ReadOnlySpan<byte> text, string format, ArtifactLimits limits)
{
    private static readonly SearchValues<byte> InBrackets = SearchValues.Create(" .0123456789TCPU"u8);
    private static readonly SearchValues<byte> InTime = SearchValues.Create("0123456789:.+-TZ"u8);

    private LineCursor _lines = new(text, format, limits);
    private int _skipped;
    private int _firstSkipped;
    private string _first = "";

    /// <summary>The line without its end and without what was put in front of it.</summary>
    public ReadOnlySpan<byte> Line { get; private set; }

    /// <summary>Offset of the first byte of the whole line.</summary>
    public readonly int Offset => _lines.Offset;

    /// <summary>Whether nothing is in the line but blanks, or the mark of a block of code.</summary>
    public readonly bool IsBlank => !Line.ContainsAnyExcept(" \t`~"u8);

    /// <summary>The lines that were passed over so far; null when there was none.</summary>
    public readonly Captures.SkippedText? Skipped => _skipped == 0 ? null : new Captures.SkippedText(_skipped, _firstSkipped, _first);

    public bool MoveNext()
    {
        if (!_lines.MoveNext())
        {
            return false;
        }

        Line = WithoutMarks(_lines.Line);
        return true;
    }

    /// <summary>Whether a line of a text is of a kind: how a format that stands anywhere in a text is recognised.</summary>
    public static bool Any(ReadOnlySpan<byte> head, string format, LinePredicate isOfKind)
    {
        PastedLines lines = new(head, format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            if (isOfKind(lines.Line))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Counts the line as no part of the dump, unless it is blank.</summary>
    public void Skip()
    {
        if (IsBlank)
        {
            return;
        }

        if (_skipped++ == 0)
        {
            (_firstSkipped, _first) = (Offset, Quotation.Of(_lines.Line));
        }
    }

    /// <summary>An error at the line that quotes it.</summary>
    public readonly MalformedArtifactException Malformed(string expected) => _lines.Malformed(expected);

    private static ReadOnlySpan<byte> WithoutMarks(ReadOnlySpan<byte> line)
    {
        while (true)
        {
            ReadOnlySpan<byte> rest = line.TrimStart(" \t"u8);
            int mark = MarkLength(rest);
            if (mark == 0)
            {
                return line;
            }

            line = rest[mark..];
            line = line.StartsWith(" "u8) ? line[1..] : line;
        }
    }

    // "> " of a quotation, "[ 0.123456] " and "<4>" of a kernel log, "kernel: " of a journal, "00:00:02.123456 " of VirtualBox,
    // "2026-11-30T12:00:00.000000+00:00 " of a container's log.
    private static int MarkLength(ReadOnlySpan<byte> line)
    {
        const int LongestPrefix = 100;
        if (line.IsEmpty)
        {
            return 0;
        }

        if (line[0] == (byte)'>')
        {
            return 1;
        }

        if (line[0] == (byte)'[')
        {
            int end = line.IndexOf((byte)']');
            return end > 1 && !line[1..end].ContainsAnyExcept(InBrackets) && line[1..end].IndexOfAnyInRange((byte)'0', (byte)'9') >= 0
                ? end + 1 : 0;
        }

        if (line[0] == (byte)'<' && Utf8Parser.TryParse(line[1..], out uint _, out int digits) && line.Length > digits + 1
            && line[digits + 1] == (byte)'>')
        {
            return digits + 2;
        }

        ReadOnlySpan<byte> start = line[..Math.Min(line.Length, LongestPrefix)];
        int kernel = start.IndexOf("kernel: "u8);
        if (kernel >= 0)
        {
            return kernel + "kernel: ".Length;
        }

        int blank = start.IndexOf((byte)' ');
        return blank > 0 && IsTime(start[..blank]) ? blank : 0;
    }

    private static bool IsTime(ReadOnlySpan<byte> word) =>
        word.Count((byte)':') >= 2 && word[0] is >= (byte)'0' and <= (byte)'9' && !word.ContainsAnyExcept(InTime);
}
