namespace Xstate.Artifacts.Text;

/// <summary>Walks the lines of a text in ASCII or UTF-8 without copying. Knows LF and CR LF; a byte order mark is skipped.</summary>
internal ref struct LineCursor
{
    private readonly ReadOnlySpan<byte> _text;
    private readonly string _format;
    private readonly int _maxLine;
    private int _next;

    public LineCursor(ReadOnlySpan<byte> text, string format, ArtifactLimits limits)
    {
        _text = text;
        _format = format;
        _maxLine = limits.MaxLine;
        _next = text.StartsWith("\uFEFF"u8) ? 3 : 0;
    }

    /// <summary>The line without its end.</summary>
    public ReadOnlySpan<byte> Line { get; private set; }

    /// <summary>Offset of the line's first byte.</summary>
    public int Offset { get; private set; }

    public bool MoveNext()
    {
        if (_next >= _text.Length)
        {
            return false;
        }

        Offset = _next;
        ReadOnlySpan<byte> rest = _text[_next..];
        int end = rest.IndexOf((byte)'\n');
        int length = end < 0 ? rest.Length : end;
        if (length > _maxLine)
        {
            throw new MalformedArtifactException(_format, Offset, $"a line of {length} bytes", $"at most {_maxLine}");
        }

        _next += end < 0 ? length : length + 1;
        Line = rest[..length].TrimEnd((byte)'\r');
        return true;
    }

    /// <summary>An error at the current line that quotes it.</summary>
    public readonly MalformedArtifactException Malformed(string expected) => new(_format, Offset, Quotation.Of(Line), expected);
}
