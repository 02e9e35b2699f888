namespace Xstate.Artifacts.Hexdumps;

/// <summary>The parts of one line of a hexdump; nothing in it is converted yet.</summary>
internal ref struct HexdumpLine
{
    // Of "0x" and a digit for each half byte of an address.
    private const int MostOffsetDigits = 16;
    private const int FewestOffsetDigits = 6;
    private const int FewestPlainDigits = 16;

    /// <summary>Digits of the offset, without 0x; empty in a plain dump.</summary>
    public ReadOnlySpan<byte> Offset { get; private set; }

    /// <summary>Groups of hexadecimal digits with blanks between them.</summary>
    public ReadOnlySpan<byte> Groups { get; private set; }

    /// <summary>The column of text, as it stands there.</summary>
    public ReadOnlySpan<byte> Text { get; private set; }

    /// <summary>Whether there is a column of text.</summary>
    public bool HasText { get; private set; }

    /// <summary>Where the column of text begins in the line, for dumps that mark it by its place alone; 0 for none.</summary>
    public int TextColumn { get; private set; }

    /// <summary>Digits of the first group.</summary>
    public readonly int GroupDigits => Groups.IndexOfAny((byte)' ', (byte)'\t') is >= 0 and int blank ? blank : Groups.Length;

    /// <summary>Whether the line is an offset and no bytes: where the dump ends.</summary>
    public readonly bool IsEnd => Groups.IsEmpty && !Offset.IsEmpty;

    /// <summary>The style of a dump that begins with this line; null when it is no line of one.</summary>
    public static HexdumpStyle? StyleOf(ReadOnlySpan<byte> line)
    {
        foreach (HexdumpStyle style in Enum.GetValues<HexdumpStyle>())
        {
            if (TryParse(line, style, textColumn: 0, out HexdumpLine parts) && !parts.IsEnd
                && (style is not HexdumpStyle.Plain || parts.Groups.Length >= FewestPlainDigits))
            {
                return style;
            }
        }

        return null;
    }

    /// <summary>Takes a line apart.</summary>
    /// <param name="line">The line.</param>
    /// <param name="style">The style of the dump.</param>
    /// <param name="textColumn">Where the first line has its text; 0 when there is none, or in the first line itself.</param>
    /// <param name="parts">Its parts.</param>
    public static bool TryParse(ReadOnlySpan<byte> line, HexdumpStyle style, int textColumn, out HexdumpLine parts)
    {
        parts = default;
        return style switch
        {
            HexdumpStyle.Colon => TryParseColon(line, textColumn, ref parts),
            HexdumpStyle.Offsets => TryParseOffsets(line, ref parts),
            HexdumpStyle.Memory => TryParseMemory(line, ref parts),
            _ => TryParsePlain(line, ref parts),
        };
    }

    // The text is two blanks behind the groups; in later lines it begins in the same column, whatever their groups are.
    private static bool TryParseColon(ReadOnlySpan<byte> line, int textColumn, ref HexdumpLine parts)
    {
        int digits = CountDigits(line);
        if (digits is < FewestOffsetDigits or > MostOffsetDigits || !line[digits..].StartsWith(": "u8))
        {
            return false;
        }

        parts.Offset = line[..digits];
        int start = digits + 2;
        int gap = line[start..].IndexOf("  "u8);
        int column = textColumn > 0 ? textColumn : gap >= 0 ? start + gap + 2 : 0;
        if (column > 0 && column <= line.Length)
        {
            parts.Groups = line[start..column].Trim((byte)' ');
            parts.Text = line[column..];
            (parts.HasText, parts.TextColumn) = (true, column);
        }
        else
        {
            parts.Groups = line[start..].Trim((byte)' ');
        }

        return AreGroups(parts.Groups);
    }

    private static bool TryParseOffsets(ReadOnlySpan<byte> line, ref HexdumpLine parts)
    {
        int digits = CountDigits(line);
        ReadOnlySpan<byte> rest = line[digits..];
        if (digits is < FewestOffsetDigits or > MostOffsetDigits || !(rest.IsEmpty || rest[0] is (byte)' ' or (byte)'\t'))
        {
            return false;
        }

        parts.Offset = line[..digits];
        rest = rest.Trim(" \t"u8);
        if (rest.IsEmpty)
        {
            return true;
        }

        int text = rest.IndexOfAny((byte)'|', (byte)'>');
        if (text >= 0)
        {
            byte end = rest[text] == (byte)'|' ? (byte)'|' : (byte)'<';
            if (rest.Length < text + 2 || rest[^1] != end)
            {
                return false;
            }

            parts.Text = rest[(text + 1)..^1];
            parts.HasText = true;
            rest = rest[..text].TrimEnd(" \t"u8);
        }

        parts.Groups = rest;
        return AreGroups(rest);
    }

    // A symbol between the address and its colon may have colons of its own.
    private static bool TryParseMemory(ReadOnlySpan<byte> line, ref HexdumpLine parts)
    {
        if (!line.StartsWith("0x"u8))
        {
            return false;
        }

        int digits = CountDigits(line[2..]);
        ReadOnlySpan<byte> rest = line[(2 + digits)..];
        if (digits is 0 or > MostOffsetDigits)
        {
            return false;
        }

        int colon = rest.StartsWith(":"u8) ? 0 : rest.StartsWith(" <"u8) ? rest.LastIndexOf(">:"u8) + 1 : 0;
        if (colon >= rest.Length || rest[colon] != (byte)':')
        {
            return false;
        }

        parts.Offset = line.Slice(2, digits);
        parts.Groups = rest[(colon + 1)..].Trim(" \t"u8);
        return AreGroups(parts.Groups) && parts.Groups.StartsWith("0x"u8);
    }

    private static bool TryParsePlain(ReadOnlySpan<byte> line, ref HexdumpLine parts)
    {
        parts.Groups = line.Trim(" \t"u8);
        if (!AreGroups(parts.Groups) || parts.Groups.Contains((byte)'x'))
        {
            return false;
        }

        // Longer groups with blanks between them may be numbers; without an offset nothing tells.
        return parts.GroupDigits == 2 || parts.GroupDigits == parts.Groups.Length;
    }

    private static bool AreGroups(ReadOnlySpan<byte> groups)
    {
        if (groups.IsEmpty)
        {
            return false;
        }

        foreach (Range range in groups.SplitAny((byte)' ', (byte)'\t'))
        {
            ReadOnlySpan<byte> group = groups[range];
            group = group.StartsWith("0x"u8) ? group[2..] : group;
            if (CountDigits(group) != group.Length || group.Length % 2 != 0)
            {
                return false;
            }
        }

        return true;
    }

    private static int CountDigits(ReadOnlySpan<byte> text)
    {
        int count = 0;
        while (count < text.Length && char.IsAsciiHexDigit((char)text[count]))
        {
            count++;
        }

        return count;
    }
}
