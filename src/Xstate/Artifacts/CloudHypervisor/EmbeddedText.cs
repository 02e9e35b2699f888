using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>
/// JSON text that is kept inside a JSON document: as a string with escapes (Cloud Hypervisor 39 and later) or as a list of its bytes (29 to
/// 38). Knows where each byte of the text is in the document, so that a change inside keeps every other byte of the document.
/// </summary>
internal sealed class EmbeddedText
{
    private readonly ReadOnlyMemory<byte> _raw;
    private readonly int _offset;
    private readonly bool _isList;

    // The last place that was asked for: questions come in ascending order.
    private int _inner;
    private int _outer;

    private EmbeddedText(ReadOnlyMemory<byte> raw, int offset, bool isList, byte[] text)
    {
        _raw = raw;
        _offset = offset;
        _isList = isList;
        Text = text;
    }

    /// <summary>The text, unescaped.</summary>
    public byte[] Text { get; }

    /// <summary>The text of a string; the reader stands on it.</summary>
    public static EmbeddedText OfString(ReadOnlyMemory<byte> document, ref Utf8JsonReader reader)
    {
        int start = (int)reader.TokenStartIndex + 1;
        byte[] text = new byte[reader.ValueSpan.Length];
        try
        {
            Array.Resize(ref text, reader.CopyString(text));
        }
        catch (InvalidOperationException)
        {
            throw Malformed(start, "a string that is no Unicode text", "the state as JSON");
        }

        return new EmbeddedText(document.Slice(start, reader.ValueSpan.Length), start, false, text);
    }

    /// <summary>The text of a list of bytes; the reader stands on its beginning, and on its end afterwards.</summary>
    public static EmbeddedText OfList(ReadOnlyMemory<byte> document, ref Utf8JsonReader reader)
    {
        int start = (int)reader.TokenStartIndex + 1;
        using MemoryStream text = new();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            text.WriteByte(reader.TokenType == JsonTokenType.Number && reader.TryGetByte(out byte value)
                ? value
                : throw Malformed((int)reader.TokenStartIndex, "something else", "a byte of the state, 0 to 255"));
        }

        return new EmbeddedText(document[start..(int)reader.TokenStartIndex], start, true, text.ToArray());
    }

    /// <summary>The change of the document that changes a part of the text. Calls come in ascending order.</summary>
    public ArtifactPatch Patch(int start, int end, string replacement)
    {
        int from = OuterStart(start);
        int to = _isList ? OuterEnd(end - 1) : OuterStart(end);
        string text = _isList ? string.Join(',', Encoding.UTF8.GetBytes(replacement)) : replacement;
        return new ArtifactPatch(_offset + from, _raw[from..to], Encoding.ASCII.GetBytes(text));
    }

    /// <summary>An error at a place of the text, told with its place in the document.</summary>
    public MalformedArtifactException Malformed(long inner, string found, string expected) =>
        Malformed(_offset + OuterStart((int)Math.Clamp(inner, 0, Text.Length)), found, expected);

    private int OuterStart(int inner)
    {
        if (inner < _inner)
        {
            (_inner, _outer) = (0, 0);
        }

        ReadOnlySpan<byte> raw = _raw.Span;
        while (_inner < inner)
        {
            (int outerLength, int innerLength) = _isList ? (ItemLength(raw[_outer..]), 1) : UnitLength(raw[_outer..]);
            _outer += outerLength;
            _inner += innerLength;
        }

        return _isList ? _outer + LeadingBlanks(raw[_outer..]) : _outer;
    }

    // Behind the last digit of a number.
    private int OuterEnd(int inner)
    {
        int start = OuterStart(inner);
        ReadOnlySpan<byte> rest = _raw.Span[start..];
        int digits = rest.IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        return start + (digits < 0 ? rest.Length : digits);
    }

    private static int LeadingBlanks(ReadOnlySpan<byte> raw)
    {
        int length = raw.IndexOfAnyExcept(" \t\r\n"u8);
        return length < 0 ? raw.Length : length;
    }

    // A number with the comma behind it.
    private static int ItemLength(ReadOnlySpan<byte> raw)
    {
        int comma = raw.IndexOf((byte)',');
        return comma < 0 ? raw.Length : comma + 1;
    }

    // One byte of text as itself, or one escape, in bytes of the document and of the text.
    private static (int Outer, int Inner) UnitLength(ReadOnlySpan<byte> raw)
    {
        if (raw[0] != (byte)'\\')
        {
            return (1, 1);
        }

        if (raw[1] != (byte)'u')
        {
            return (2, 1);
        }

        // The string was unescaped before, so its escapes are right.
        ushort unit = ushort.Parse(raw.Slice(2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        return char.IsHighSurrogate((char)unit) ? (12, 4) : (6, unit < 0x80 ? 1 : unit < 0x800 ? 2 : 3);
    }

    private static MalformedArtifactException Malformed(int offset, string found, string expected) =>
        new(CloudHypervisorReader.Format, offset, found, expected);
}
