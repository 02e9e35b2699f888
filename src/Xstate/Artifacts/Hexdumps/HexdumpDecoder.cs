using System.Buffers;
using System.Buffers.Text;
using System.Globalization;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.Hexdumps;

/// <summary>Turns the lines of a hexdump back into bytes, in one of the ways in which they can be taken.</summary>
internal sealed class HexdumpDecoder(HexdumpStyle style, HexdumpReading reading, ArtifactLimits limits)
{
    private readonly ArrayBufferWriter<byte> _bytes = new();

    // What a line with * repeats, and how many bytes its groups have.
    private byte[] _row = [];
    private int _groupLength;
    private int _rowLength;
    private int _textColumn;

    // Zeros behind the last byte.
    private int _surplus;
    private bool _repeats;
    private bool _ended;
    private ulong? _start;

    /// <summary>The line that was looked at last, from 1 on.</summary>
    public int LineNumber { get; private set; }

    /// <exception cref="MalformedArtifactException">The lines do not make a dump when they are taken so.</exception>
    public byte[] Decode(ReadOnlySpan<byte> text)
    {
        PastedLines lines = new(text, HexdumpText.Format, limits with { MaxLine = int.MaxValue });
        while (lines.MoveNext())
        {
            LineNumber++;
            if (!lines.IsBlank)
            {
                Take(lines.Line, lines.Offset);
            }
        }

        // hexdump and od say where they end; without that the last lines may be missing.
        if (_repeats || (style == HexdumpStyle.Offsets && !_ended))
        {
            string missing = _repeats ? "the line behind *, which tells how far it repeats" : "a last line with the length alone";
            throw HexdumpText.Malformed(text.Length, LineNumber, "the end of the text", $"{missing}: the dump is cut");
        }

        return _bytes.WrittenSpan[..^_surplus].ToArray();
    }

    private void Take(ReadOnlySpan<byte> line, int offset)
    {
        if (line.Trim(" \t"u8).SequenceEqual("*"u8))
        {
            _repeats = style is HexdumpStyle.Offsets or HexdumpStyle.Colon && !_ended && _row.Length > 0 ? true
                : throw HexdumpText.Malformed(offset, LineNumber, "*",
                    "bytes: without an offset behind it nothing tells how far it repeats; take the dump with -v");
            return;
        }

        if (_ended || !HexdumpLine.TryParse(line, style, _textColumn, out HexdumpLine parts))
        {
            throw HexdumpText.Malformed(offset, LineNumber, Quotation.Of(line),
                _ended ? "nothing behind the dump's last offset" : "a line of the dump as the first is: leave nothing else in the file");
        }

        if (_textColumn == 0)
        {
            _textColumn = parts.TextColumn;
        }

        if (!parts.Offset.IsEmpty)
        {
            MoveTo(parts, line, offset);
        }

        if (parts.IsEnd)
        {
            _ended = true;
            return;
        }

        _row = BytesOf(parts.Groups, line, offset);
        _rowLength = Math.Max(_rowLength, _row.Length);
        Append(_row, offset);
        if (parts.HasText)
        {
            CompareText(parts.Text, offset);
        }
    }

    // The offset of a line against the bytes before it.
    private void MoveTo(HexdumpLine parts, ReadOnlySpan<byte> line, int offset)
    {
        if (!TryRead(parts.Offset, reading.Radix, out ulong place))
        {
            throw HexdumpText.Malformed(offset, LineNumber, Quotation.Of(line),
                string.Create(CultureInfo.InvariantCulture, $"an offset in base {reading.Radix}"));
        }

        // Addresses of gdb begin anywhere; a file does not, and a part of it is not the artifact.
        _start ??= style == HexdumpStyle.Memory || place == 0 ? place
            : throw HexdumpText.Malformed(offset, LineNumber, $"offset {Text(parts.Offset)}",
                "0: the beginning is missing. Of a part of a file take tail -c +N FILE | xxd");
        if (place < _start)
        {
            throw NotNext(parts, offset);
        }

        ulong position = place - _start.Value;
        ulong length = (ulong)_bytes.WrittenCount;
        if (_repeats)
        {
            Repeat(position, parts, offset);
        }
        else if (position > length)
        {
            throw HexdumpText.Malformed(offset, LineNumber, $"offset {Text(parts.Offset)}", string.Create(CultureInfo.InvariantCulture,
                $"byte {length}: {position - length} bytes are missing before this line"));
        }
        else if (position < length && !(parts.IsEnd && Trim(length - position)))
        {
            throw NotNext(parts, offset);
        }
    }

    private MalformedArtifactException NotNext(HexdumpLine parts, int offset) =>
        HexdumpText.Malformed(offset, LineNumber, $"offset {Text(parts.Offset)}",
            string.Create(CultureInfo.InvariantCulture, $"byte {_bytes.WrittenCount}: lines follow each other once, in their order"));

    private void Repeat(ulong position, HexdumpLine parts, int offset)
    {
        ulong length = (ulong)_bytes.WrittenCount;
        if (position <= length || (position - length) % (ulong)_row.Length != 0 || _row.Length < _rowLength)
        {
            throw HexdumpText.Malformed(offset, LineNumber, $"offset {Text(parts.Offset)} behind *", string.Create(
                CultureInfo.InvariantCulture, $"one behind byte {length} by a multiple of {_rowLength}"));
        }

        // xxd -a leaves out lines of zeros alone.
        if (style == HexdumpStyle.Colon && _row.AsSpan().ContainsAnyExcept((byte)0))
        {
            throw HexdumpText.Malformed(offset, LineNumber, "* behind a line with other bytes than zeros",
                "zeros, which are all that xxd leaves out");
        }

        if (position > (ulong)limits.MaxWholeFile)
        {
            throw HexdumpText.Malformed(offset, LineNumber, $"offset {Text(parts.Offset)}", TooLong);
        }

        while ((ulong)_bytes.WrittenCount < position)
        {
            _bytes.Write(_row);
        }

        _repeats = false;
    }

    // The last number of a dump in numbers is filled up with zeros.
    private bool Trim(ulong surplus)
    {
        if (surplus >= (ulong)_groupLength || _row.AsSpan(^(int)surplus..).ContainsAnyExcept((byte)0))
        {
            return false;
        }

        _surplus = (int)surplus;
        return true;
    }

    private byte[] BytesOf(ReadOnlySpan<byte> groups, ReadOnlySpan<byte> line, int offset)
    {
        byte[] bytes = new byte[groups.Length / 2];
        int count = 0;
        int last = -1;
        foreach (Range range in groups.SplitAny((byte)' ', (byte)'\t'))
        {
            ReadOnlySpan<byte> digits = groups[range];
            digits = digits.StartsWith("0x"u8) ? digits[2..] : digits;
            if (digits.IsEmpty)
            {
                continue;
            }

            int length = digits.Length / 2;
            if (style != HexdumpStyle.Plain && length is not (1 or 2 or 4 or 8))
            {
                throw HexdumpText.Malformed(offset, LineNumber, Quotation.Of(line),
                    "groups of 2, 4, 8 or 16 hexadecimal digits; od prints octal numbers unless it is given -A x -t x1");
            }

            _groupLength = _groupLength == 0 ? length : _groupLength;
            bool isShort = style == HexdumpStyle.Colon && length < _groupLength;
            if (style != HexdumpStyle.Plain && (last >= 0 || (length != _groupLength && !isShort)))
            {
                throw HexdumpText.Malformed(offset, LineNumber, Quotation.Of(line),
                    string.Create(CultureInfo.InvariantCulture, $"groups of {2 * _groupLength} digits, as before"));
            }

            last = isShort ? count : -1;
            Convert.FromHexString(digits, bytes.AsSpan(count, length), out _, out _);
            if (reading.IsReversed && style != HexdumpStyle.Plain)
            {
                bytes.AsSpan(count, length).Reverse();
            }

            count += length;
        }

        return bytes.AsSpan(0, count).ToArray();
    }

    private void Append(byte[] row, int offset)
    {
        if (_bytes.WrittenCount + row.Length > limits.MaxWholeFile)
        {
            throw HexdumpText.Malformed(offset, LineNumber, "more bytes", TooLong);
        }

        _bytes.Write(row);
    }

    // Printable characters stand for themselves and all others as a dot; blanks at the end of a line get lost on the way.
    private void CompareText(ReadOnlySpan<byte> text, int offset)
    {
        text = text[..Math.Min(text.Length, _row.Length)];
        for (int i = 0; i < _row.Length; i++)
        {
            byte shown = _row[i] is >= (byte)' ' and <= (byte)'~' ? _row[i] : (byte)'.';
            if (i < text.Length ? text[i] != shown : shown != (byte)' ')
            {
                throw HexdumpText.Malformed(offset, LineNumber, string.Create(CultureInfo.InvariantCulture,
                    $"byte 0x{_row[i]:x2} beside the text {Quotation.Of(text)}"),
                    "the same in both columns: a line was changed or broken, or xxd was given -e; take the dump again, or leave the "
                    + "column of text off");
            }
        }
    }

    private string TooLong => string.Create(CultureInfo.InvariantCulture, $"at most {limits.MaxWholeFile} bytes: give the file itself");

    private static bool TryRead(ReadOnlySpan<byte> digits, int radix, out ulong value)
    {
        if (radix == 16)
        {
            return Utf8Parser.TryParse(digits, out value, out int read, 'x') && read == digits.Length;
        }

        value = 0;
        foreach (byte digit in digits)
        {
            int one = digit - '0';
            if (one < 0 || one >= radix)
            {
                return false;
            }

            value = (value * (ulong)radix) + (ulong)one;
        }

        return true;
    }

    private static string Text(ReadOnlySpan<byte> digits) => System.Text.Encoding.ASCII.GetString(digits);
}
