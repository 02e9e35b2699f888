using Xstate.Captures;

namespace Xstate.Artifacts.LibvirtCpuModel;

/// <summary>One XML document in a text that people pasted: a prompt and the command before it, the next prompt behind it.</summary>
internal static class PastedXml
{
    // Lines that may stand before the document. A document is never searched for in a whole file of something else.
    private const int MostLines = 20;

    /// <summary>Where the document begins: at the first line that begins with &lt;, after at most twenty others.</summary>
    public static int Start(ReadOnlySpan<byte> text)
    {
        int at = 0;
        for (int line = 0; line <= MostLines && at < text.Length; line++)
        {
            ReadOnlySpan<byte> rest = text[at..];
            if (rest.TrimStart("\uFEFF \t\r\n"u8).StartsWith("<"u8))
            {
                return line == 0 ? 0 : at;
            }

            int end = rest.IndexOf((byte)'\n');
            if (end < 0)
            {
                break;
            }

            at += end + 1;
        }

        return 0;
    }

    /// <summary>The text with what surrounds the document blanked out, so that offsets stay those of the text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="skipped">What surrounds it, or null.</param>
    public static ReadOnlyMemory<byte> Cut(ReadOnlyMemory<byte> text, out SkippedText? skipped)
    {
        ReadOnlySpan<byte> bytes = text.Span;
        int start = Start(bytes);
        int end = End(bytes);
        skipped = null;
        if (start == 0 && end == bytes.Length)
        {
            return text;
        }

        // A declaration has to come first, so it goes with what stands before it.
        if (start > 0 && bytes[start..].TrimStart(" \t\r\n"u8).StartsWith("<?xml"u8)
            && bytes[start..].IndexOf("?>"u8) is >= 0 and int declaration)
        {
            start += declaration + 2;
        }

        byte[] document = bytes.ToArray();
        int lines = Blank(document.AsSpan(0, start)) + Blank(document.AsSpan(end));
        int first = start > 0 ? 0 : end;
        int length = bytes[first..].IndexOf((byte)'\n');
        skipped = lines == 0 ? null : new SkippedText(lines, first, Quotation.Of(length < 0 ? bytes[first..] : bytes.Slice(first, length)));
        return document;
    }

    // Behind the last tag, when only lines of something else follow.
    private static int End(ReadOnlySpan<byte> text)
    {
        int last = text.LastIndexOf((byte)'>');
        if (last < 0)
        {
            return text.Length;
        }

        // A prompt ends in > too: the last tag is one that begins with </.
        int tag = text[..(last + 1)].LastIndexOf("</"u8);
        int close = tag < 0 ? -1 : text[tag..].IndexOf((byte)'>');
        int end = close < 0 ? text.Length : tag + close + 1;
        return text[end..].ContainsAny("<"u8) || !text[end..].ContainsAnyExcept(" \t\r\n"u8) ? text.Length : end;
    }

    // Lines stay lines; returns how many were not blank.
    private static int Blank(Span<byte> bytes)
    {
        int lines = 0;
        bool blank = true;
        foreach (ref byte character in bytes)
        {
            if (character is (byte)'\n' or (byte)'\r')
            {
                lines += blank ? 0 : 1;
                blank = true;
            }
            else
            {
                blank &= character is (byte)' ' or (byte)'\t';
                character = (byte)' ';
            }
        }

        return lines + (blank ? 0 : 1);
    }
}
