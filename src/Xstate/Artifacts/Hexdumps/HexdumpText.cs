using System.Buffers;
using System.Globalization;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.Hexdumps;

/// <summary>
/// Text that stands for bytes: what xxd, hexdump, od and gdb's x print, or a string of strace. Every line must be one of the dump, offsets
/// must follow each other, and where the text leaves the base of its offsets or the order of bytes open and that matters, it is refused.
/// </summary>
internal static class HexdumpText
{
    /// <summary>The name that errors have.</summary>
    public const string Format = "hexdump";

    private const string TwoWays = "a dump that can be taken in two ways";
    private static readonly int[] Radixes = [16, 8, 10];
    private static readonly SearchValues<byte> Printed =
        SearchValues.Create([(byte)'\t', (byte)'\n', (byte)'\r', .. Enumerable.Range(' ', '~' - ' ' + 1).Select(c => (byte)c)]);

    /// <summary>Whether a text begins as one.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> head)
    {
        // All of these programs print ASCII alone; other bytes are a file's own, however its first line looks.
        if (head.IsEmpty || head.ContainsAnyExcept(Printed))
        {
            return false;
        }

        PastedLines lines = new(head, Format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            if (!lines.IsBlank)
            {
                // Of a line that goes on behind the head the last group may be cut.
                return HexdumpLine.StyleOf(lines.Line) is not null || QuotedBytes.Recognizes(lines.Line)
                    || (lines.Line.LastIndexOf((byte)' ') is > 0 and int blank && !head.Contains((byte)'\n')
                        && HexdumpLine.StyleOf(lines.Line[..blank]) is not null);
            }
        }

        return false;
    }

    /// <summary>
    /// The first line of a dump, or string of strace, in another text, from 1 on; null when there is none. A plain dump is not looked for:
    /// numbers look like one.
    /// </summary>
    public static int? FindLine(ReadOnlySpan<byte> text)
    {
        PastedLines lines = new(text, Format, ArtifactLimits.Default with { MaxLine = int.MaxValue });
        for (int number = 1; lines.MoveNext(); number++)
        {
            if (HexdumpLine.StyleOf(lines.Line) is not (null or HexdumpStyle.Plain)
                || (QuotedBytes.Recognizes(lines.Line) && lines.Line.Contains((byte)'\\')))
            {
                return number;
            }
        }

        return null;
    }

    /// <summary>The bytes that a text stands for.</summary>
    /// <exception cref="MalformedArtifactException">A line is none of a dump, or the dump has holes, is cut, or can be taken in two
    /// ways.</exception>
    public static byte[] Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        PastedLines lines = new(text, Format, limits with { MaxLine = int.MaxValue });
        while (lines.MoveNext() && lines.IsBlank)
        {
        }

        return HexdumpLine.StyleOf(lines.Line) is { } style ? Read(text, style, lines.Line, limits) : QuotedBytes.Read(text, limits);
    }

    private static byte[] Read(ReadOnlySpan<byte> text, HexdumpStyle style, ReadOnlySpan<byte> first, ArtifactLimits limits)
    {
        byte[]? bytes = null;
        HexdumpReading taken = default;
        (MalformedArtifactException Error, int Lines)? obstacle = null;
        foreach (HexdumpReading reading in ReadingsOf(style, first))
        {
            HexdumpDecoder decoder = new(style, reading, limits);
            try
            {
                byte[] read = decoder.Decode(text);
                if (bytes is null)
                {
                    (bytes, taken) = (read, reading);
                }
                else if (!bytes.AsSpan().SequenceEqual(read))
                {
                    throw Ambiguous(taken, reading);
                }
            }
            catch (MalformedArtifactException error) when (error.Found != TwoWays)
            {
                obstacle = obstacle is null || decoder.LineNumber > obstacle.Value.Lines ? (error, decoder.LineNumber) : obstacle;
            }
        }

        return bytes ?? throw obstacle!.Value.Error;
    }

    private static MalformedArtifactException Ambiguous(HexdumpReading one, HexdumpReading other) => new(Format, 0, TwoWays,
        one.Radix == other.Radix
        ? "a dump that shows the order of bytes: nothing tells whether xxd was given -e; take xxd without -e and -g"
        : $"a dump that shows what its offsets count in: base {one.Radix} and {other.Radix} both fit; take hexdump -C");

    // Numbers of more than a byte: gdb, hexdump and od print them as the processor reads them, xxd as they lie in memory unless told
    // otherwise (-e), which is said only by its column of text. Two bytes are what xxd prints by itself, in memory's order.
    private static IEnumerable<HexdumpReading> ReadingsOf(HexdumpStyle style, ReadOnlySpan<byte> first)
    {
        int digits = HexdumpLine.TryParse(first, style, textColumn: 0, out HexdumpLine parts) ? parts.GroupDigits : 0;
        return style switch
        {
            HexdumpStyle.Offsets => Radixes.Select(radix => new HexdumpReading(radix, IsReversed: true)),
            HexdumpStyle.Memory => [new(16, IsReversed: true)],
            HexdumpStyle.Colon when digits is 8 or 16 => [new(16, IsReversed: false), new(16, IsReversed: true)],
            _ => [new(16, IsReversed: false)],
        };
    }

    /// <summary>An error at a line.</summary>
    public static MalformedArtifactException Malformed(long offset, int line, string found, string expected) =>
        new(Format, offset, string.Create(CultureInfo.InvariantCulture, $"line {line}: {found}"), expected);
}
