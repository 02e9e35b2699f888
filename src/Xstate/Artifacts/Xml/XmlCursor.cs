using System.Buffers;
using System.Globalization;
using System.Text;
using System.Xml;

namespace Xstate.Artifacts.Xml;

/// <summary>
/// Reads one XML document forwards, element by element. No document type declaration, no entity but the five of XML, nothing from outside
/// the file, and never deeper than real documents go. Every error names the byte offset, what is there and what was expected.
/// </summary>
internal sealed class XmlCursor : IDisposable
{
    // libvirt's documents go to 8.
    private const int MaxDepth = 32;

    private static readonly SearchValues<byte> NameCharacters =
        SearchValues.Create("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-:."u8);

    private readonly string _format;
    private readonly ReadOnlyMemory<byte> _bytes;
    private readonly XmlReader _reader;
    private (int Line, int Position, int Offset)? _place;

    public XmlCursor(ReadOnlyMemory<byte> bytes, string format)
    {
        _format = format;
        _bytes = bytes;

        // A decoder of our own: the document's declaration cannot choose another encoding than the one that offsets are counted in.
        ReadOnlySpan<byte> text = bytes.Span;
        StringReader characters = new(Encoding.UTF8.GetString(text[Preamble(text)..]));
        _reader = XmlReader.Create(
            characters,
            new XmlReaderSettings
            {
                DtdProcessing = DtdProcessing.Prohibit,
                XmlResolver = null,
                IgnoreComments = true,
                IgnoreProcessingInstructions = true,
                IgnoreWhitespace = true,
                MaxCharactersFromEntities = 1,
                CloseInput = true,
            });
        do
        {
            Advance();
        }
        while (_reader.NodeType == XmlNodeType.XmlDeclaration);
    }

    /// <summary>The name of the element at the cursor.</summary>
    public string Name => _reader.LocalName;

    /// <summary>
    /// The name of the document's element, without reading further than to it; null when the text does not begin as XML does.
    /// </summary>
    public static string? RootOf(ReadOnlySpan<byte> head)
    {
        ReadOnlySpan<byte> rest = head[Preamble(head)..];
        while (true)
        {
            rest = rest.TrimStart(" \t\r\n"u8);
            ReadOnlySpan<byte> end = rest.StartsWith("<?"u8) ? "?>"u8 : rest.StartsWith("<!--"u8) ? "-->"u8 : default;
            if (end.IsEmpty)
            {
                break;
            }

            int at = rest.IndexOf(end);
            rest = at < 0 ? default : rest[(at + end.Length)..];
        }

        if (!rest.StartsWith("<"u8))
        {
            return null;
        }

        int length = rest[1..].IndexOfAnyExcept(NameCharacters);
        return length <= 0 ? null : Encoding.UTF8.GetString(rest.Slice(1, Math.Min(length, 100)));
    }

    /// <summary>Throws unless the element at the cursor has one of these names.</summary>
    public void Expect(params ReadOnlySpan<string> names)
    {
        if (_reader.NodeType != XmlNodeType.Element || !names.Contains(_reader.LocalName))
        {
            throw Malformed(Here, $"the element {string.Join(" or ", names.ToArray().Select(name => $"<{name}>"))}");
        }
    }

    /// <summary>Nesting depth of the element at the cursor, for <see cref="NextChild"/>.</summary>
    public int Depth => _reader.Depth;

    /// <summary>
    /// Moves to the next child element, passing over what the caller left of the child before; false at the end of the parent.
    /// </summary>
    /// <param name="parent">Depth of the parent, taken at its start.</param>
    public bool NextChild(int parent)
    {
        if (_reader.Depth == parent && (_reader.NodeType == XmlNodeType.EndElement || _reader.IsEmptyElement))
        {
            return false;
        }

        do
        {
            Advance();
        }
        while (_reader.Depth > parent && (_reader.NodeType != XmlNodeType.Element || _reader.Depth != parent + 1));
        return _reader.Depth > parent;
    }

    /// <summary>An attribute, or null.</summary>
    public string? Attribute(string name)
    {
        try
        {
            return _reader.GetAttribute(name);
        }
        catch (XmlException error)
        {
            throw NoXml(error);
        }
    }

    /// <summary>An attribute that has to be there.</summary>
    public string Require(string name) => Attribute(name) ?? throw Malformed($"<{Name}> without {name}", $"the attribute {name}");

    /// <summary>An attribute that holds a 32-bit number, in hexadecimal with 0x or in decimal; null when it is not there.</summary>
    public uint? Number(string name) => Attribute(name) is { } text
        ? TryNumber(text, out uint value) ? value : throw Malformed($"{name}={Quotation.Of(text)}",
            "a number of 32 bits such as 0x0000000d")
        : null;

    /// <summary>A number that has to be there.</summary>
    public uint RequireNumber(string name) => Number(name) ?? throw Malformed($"<{Name}> without {name}", $"the attribute {name}");

    /// <summary>The text inside the element at the cursor, which has no child elements; the cursor goes to the element's end.</summary>
    public string Text()
    {
        if (_reader.IsEmptyElement)
        {
            return "";
        }

        string element = Name;
        StringBuilder text = new();
        while (true)
        {
            Advance();
            if (_reader.NodeType == XmlNodeType.EndElement || _reader.EOF)
            {
                return text.ToString().Trim();
            }

            if (_reader.NodeType == XmlNodeType.Element)
            {
                throw Malformed(Here, $"text in <{element}>");
            }

            text.Append(Value());
        }
    }

    /// <summary>Reads to the document's end, so that what comes after the last element of interest is held against XML too.</summary>
    public void End()
    {
        while (!_reader.EOF)
        {
            Advance();
        }
    }

    /// <summary>An error at the cursor.</summary>
    public MalformedArtifactException Malformed(string found, string expected) => new(_format, Offset, found, expected);

    public void Dispose() => _reader.Dispose();

    /// <summary>Byte offset of the cursor.</summary>
    public long Offset => _reader is IXmlLineInfo line ? OffsetOf(line.LineNumber, line.LinePosition) : 0;

    private string Here => _reader.NodeType == XmlNodeType.Element ? $"<{Quotation.Of(_reader.LocalName).Trim('"')}>" : _reader.EOF
        ? "the end of the document" : "text";

    private void Advance()
    {
        try
        {
            _reader.Read();
        }
        catch (XmlException error)
        {
            throw NoXml(error);
        }

        if (_reader.Depth > MaxDepth)
        {
            throw Malformed($"elements nested more than {MaxDepth} deep", $"at most {MaxDepth}");
        }
    }

    // A text is parsed when its value is asked for, not when the reader comes to it.
    private string Value()
    {
        try
        {
            return _reader.Value;
        }
        catch (XmlException error)
        {
            throw NoXml(error);
        }
    }

    private MalformedArtifactException NoXml(XmlException error) =>
        new(_format, OffsetOf(error.LineNumber, error.LinePosition), $"what is no XML: {FirstSentence(error.Message)}",
            "XML without a document type declaration");

    private static string FirstSentence(string message)
    {
        int end = message.IndexOf(". ", StringComparison.Ordinal);
        return Quotation.Of(end < 0 ? message : message[..end]).Trim('"');
    }

    private static int Preamble(ReadOnlySpan<byte> bytes) => bytes.StartsWith(Encoding.UTF8.Preamble) ? Encoding.UTF8.Preamble.Length : 0;

    private static bool TryNumber(string text, out uint value) =>
        text.StartsWith("0x", StringComparison.OrdinalIgnoreCase)
            ? uint.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out value)
            : uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);

    // XML counts CR, LF and CR LF as one line's end each, and characters from 1. Offsets are asked for in order but for errors, so each
    // byte is passed once and not once for every element.
    private long OffsetOf(int line, int position)
    {
        ReadOnlySpan<byte> bytes = _bytes.Span;
        if (_place is null || line < _place.Value.Line || (line == _place.Value.Line && position < _place.Value.Position))
        {
            _place = (1, 1, Preamble(bytes));
        }

        (int atLine, int atPosition, int at) = _place.Value;
        for (; atLine < line && at < bytes.Length; at++)
        {
            if (bytes[at] == '\n' || (bytes[at] == '\r' && (at + 1 == bytes.Length || bytes[at + 1] != '\n')))
            {
                atLine++;
                atPosition = 1;
            }
        }

        for (; atPosition < position && at < bytes.Length; atPosition++)
        {
            at++;
            while (at < bytes.Length && (bytes[at] & 0xC0) == 0x80)
            {
                at++;
            }
        }

        _place = (atLine, atPosition, at);
        return Math.Min(at, bytes.Length);
    }
}
