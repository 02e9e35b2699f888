using System.Buffers;
using System.Buffers.Text;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.Hexdumps;

/// <summary>
/// The bytes of a string as strace and C write them: <c>write(5, "\177\3\0\0", 4)</c>, or the string alone. What strace has cut is no
/// state, so that the lengths that the line tells are compared with it.
/// </summary>
internal static class QuotedBytes
{
    private const int LongestCall = 200;
    private static readonly SearchValues<byte> BeforeCall = SearchValues.Create(" []pid0123456789:.+-"u8);

    /// <summary>Whether a line is a call of strace with a string, or a string that begins with an escape.</summary>
    public static bool Recognizes(ReadOnlySpan<byte> line)
    {
        ReadOnlySpan<byte> rest = line.TrimStart(" \t"u8);
        if (rest.StartsWith("\"\\"u8))
        {
            return true;
        }

        int quote = rest.IndexOf((byte)'"');
        return quote is > 0 and < LongestCall && IsCall(rest[..quote]);
    }

    /// <summary>The bytes of the one string of a text.</summary>
    /// <exception cref="MalformedArtifactException">There is none or more than one, or it is cut.</exception>
    public static byte[] Read(ReadOnlySpan<byte> text, ArtifactLimits limits)
    {
        // A line of escapes is as long as what it stands for; the ceiling of the text holds it.
        PastedLines lines = new(text, HexdumpText.Format, limits with { MaxLine = int.MaxValue });
        byte[]? found = null;
        int number = 0;
        while (lines.MoveNext())
        {
            number++;
            if (lines.IsBlank)
            {
                continue;
            }

            found = found is null && Recognizes(lines.Line)
                ? ReadLine(lines.Line, lines.Offset, number)
                : throw HexdumpText.Malformed(lines.Offset, number, Quotation.Of(lines.Line),
                    "one call of strace or one string, and nothing else: leave that line alone in the file");
        }

        return found ?? throw HexdumpText.Malformed(0, number, "no string", "a call of strace with a string");
    }

    private static byte[] ReadLine(ReadOnlySpan<byte> line, int offset, int number)
    {
        int start = line.IndexOf((byte)'"') + 1;
        byte[] bytes = new byte[line.Length - start];
        int count = 0;
        int i = start;
        while (i < line.Length && line[i] != (byte)'"')
        {
            int length = Unescape(line[i..], out bytes[count++]);
            i += length > 0 ? length : throw HexdumpText.Malformed(offset, number, $"{Quotation.Of(line[i..])} in the string",
                "an escape of C: \\n, \\177 or \\x7f with two digits");
        }

        if (i == line.Length)
        {
            throw HexdumpText.Malformed(offset, number, "a string without an end", "a closing quotation mark");
        }

        ReadOnlySpan<byte> behind = line[(i + 1)..];
        if (behind.Contains((byte)'"'))
        {
            throw HexdumpText.Malformed(offset, number, "two strings",
                "one: leave the string with the state alone in the file, with its quotation marks");
        }

        return behind.StartsWith("..."u8) || IsShorterThanTold(behind, count)
            ? throw HexdumpText.Malformed(offset, number, $"{count} bytes of a string that strace has cut",
                "all of them: run strace with -s 20000, and -xx to be safe")
            : bytes.AsSpan(0, count).ToArray();
    }

    // "iov_len=2432", or the length that a read or write was given, and what it returned. One of them is the string's.
    private static bool IsShorterThanTold(ReadOnlySpan<byte> behind, int count)
    {
        bool isTold = false;
        while (behind.IndexOfAnyInRange((byte)'0', (byte)'9') is >= 0 and int digit)
        {
            behind = behind[digit..];
            if (!Utf8Parser.TryParse(behind, out long told, out int length))
            {
                break;
            }

            isTold = true;
            if (told == count)
            {
                return false;
            }

            behind = behind[length..];
        }

        return isTold;
    }

    private static int Unescape(ReadOnlySpan<byte> text, out byte value)
    {
        value = text[0];
        if (value != (byte)'\\')
        {
            return 1;
        }

        if (text.Length < 2)
        {
            return 0;
        }

        int named = "abtnvfr"u8.IndexOf(text[1]);
        if (named >= 0)
        {
            value = (byte)('\a' + named);
            return 2;
        }

        if (text[1] is (byte)'"' or (byte)'\\' or (byte)'\'')
        {
            value = text[1];
            return 2;
        }

        if (text[1] == (byte)'x')
        {
            return text.Length >= 4 && Utf8Parser.TryParse(text.Slice(2, 2), out value, out int hex, 'x') && hex == 2 ? 4 : 0;
        }

        int digits = 0;
        int octal = 0;
        while (digits < 3 && digits + 1 < text.Length && text[digits + 1] is >= (byte)'0' and <= (byte)'7')
        {
            octal = (octal * 8) + text[++digits] - '0';
        }

        value = (byte)octal;
        return digits > 0 && octal <= byte.MaxValue ? digits + 1 : 0;
    }

    // "[pid 123] 12:00:00.1 write(": the name of a call behind numbers and times.
    private static bool IsCall(ReadOnlySpan<byte> before)
    {
        int open = before.IndexOf((byte)'(');
        if (open <= 0)
        {
            return false;
        }

        int start = open;
        while (start > 0 && (before[start - 1] is (byte)'_' || char.IsAsciiLetterLower((char)before[start - 1])
            || char.IsAsciiDigit((char)before[start - 1])))
        {
            start--;
        }

        return start < open && char.IsAsciiLetterLower((char)before[start])
            && !before[..start].ContainsAnyExcept(BeforeCall);
    }
}
