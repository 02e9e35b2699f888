using System.Buffers;
using System.Buffers.Text;
using System.Text;
using System.Text.Json;

namespace Xstate.Artifacts.Json;

/// <summary>
/// Reads one JSON document forwards and strictly: no unknown and no repeated member, no trailing data. Every error names the path in the
/// document, the byte offset, what is there and what was expected. After a Read method the cursor stands on the last token of the value.
/// </summary>
internal ref struct JsonCursor
{
    private const int MaxDepth = 16;
    private const int MaxHexDigits = 16;
    private const int MaxNameInPath = 60;

    private readonly string _format;
    private readonly ArtifactLimits _limits;
    private readonly Step[] _path;
    private Utf8JsonReader _reader;
    private int _depth;

    /// <summary>Stands on the first token of the document, or of the first of several that follow each other.</summary>
    public JsonCursor(ReadOnlySpan<byte> json, string format, ArtifactLimits limits, bool allowSeveral = false)
    {
        _format = format;
        _limits = limits;
        _path = new Step[MaxDepth];
        _reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth, AllowMultipleValues = allowSeveral });
        Advance();
    }

    public readonly ArtifactLimits Limits => _limits;

    public void BeginObject() => Begin(JsonTokenType.StartObject, "an object");

    public void BeginArray() => Begin(JsonTokenType.StartArray, "an array");

    /// <summary>
    /// Moves to the value of the next member and tells which of <paramref name="names"/> it is; false at the end of the object.
    /// </summary>
    /// <param name="names">The members that the object may have.</param>
    /// <param name="seen">One bit for each of them; starts at zero.</param>
    /// <param name="member">Index in <paramref name="names"/>.</param>
    public bool NextMember(ReadOnlySpan<string> names, ref ulong seen, out int member)
    {
        ref Step step = ref _path[_depth - 1];
        step = Step.None;
        Advance();
        member = -1;
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            _depth--;
            return false;
        }

        for (int i = 0; i < names.Length; i++)
        {
            if (IsName(names[i]))
            {
                member = i;
            }
        }

        if (member < 0)
        {
            throw Malformed($"the member {Quotation.Of(_reader.ValueSpan)}", $"one of {string.Join(", ", names!)}");
        }

        if ((seen >> member & 1) != 0)
        {
            throw Malformed($"the member {names[member]} again", "each member once");
        }

        seen |= 1UL << member;
        step = new Step(names[member], -1);
        Advance();
        return true;
    }

    /// <summary>Moves to the value of the next member of an object in which the format allows any; false at its end.</summary>
    public bool NextMember(out string name)
    {
        ref Step step = ref _path[_depth - 1];
        step = Step.None;
        Advance();
        name = "";
        if (_reader.TokenType == JsonTokenType.EndObject)
        {
            _depth--;
            return false;
        }

        try
        {
            name = _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Malformed($"the member {Quotation.Of(_reader.ValueSpan)}", "a name of valid Unicode");
        }

        step = new Step(name.Length <= MaxNameInPath ? name : name[..MaxNameInPath], -1);
        Advance();
        return true;
    }

    /// <summary>Passes over the value at the cursor, whatever it is.</summary>
    public void Skip()
    {
        try
        {
            _reader.Skip();
        }
        catch (JsonException error)
        {
            throw NoJson(error);
        }
    }

    /// <summary>Moves to the first token of the next document; false at the end of the data.</summary>
    public bool NextDocument()
    {
        try
        {
            return _reader.Read();
        }
        catch (JsonException error)
        {
            throw NoJson(error);
        }
    }

    /// <summary>What the value at the cursor is.</summary>
    public readonly JsonTokenType Kind => _reader.TokenType;

    /// <summary>Moves to the next item; false at the end of the array.</summary>
    public bool NextItem(int maxItems)
    {
        ref Step step = ref _path[_depth - 1];
        step = step with { Index = step.Index + 1 };
        Advance();
        if (_reader.TokenType == JsonTokenType.EndArray)
        {
            _depth--;
            return false;
        }

        return step.Index < maxItems ? true : throw Malformed("one more item", $"at most {maxItems}");
    }

    /// <summary>Throws unless the object that just ended had all the given members.</summary>
    public readonly void Require(ReadOnlySpan<string> names, ulong seen, params ReadOnlySpan<int> required)
    {
        foreach (int member in required)
        {
            if ((seen >> member & 1) == 0)
            {
                throw Malformed($"no member {names[member]}", $"the member {names[member]}");
            }
        }
    }

    /// <summary>Throws unless the document ends here.</summary>
    public void End()
    {
        try
        {
            if (_reader.Read())
            {
                throw Malformed("more data", "the end of the document");
            }
        }
        catch (JsonException)
        {
            throw new MalformedArtifactException(_format, _reader.BytesConsumed, "more data", "the end of the document");
        }
    }

    public readonly string ReadString()
    {
        Expect(JsonTokenType.String, "a string");
        try
        {
            return _reader.GetString()!;
        }
        catch (InvalidOperationException)
        {
            throw Malformed(Quotation.Of(_reader.ValueSpan), "a string of valid Unicode");
        }
    }

    public readonly long ReadInteger(long min, long max) =>
        _reader.TokenType == JsonTokenType.Number && _reader.TryGetInt64(out long value) && value >= min && value <= max
            ? value
            : throw Malformed($"a number from {min} to {max}");

    public readonly bool ReadBoolean() => _reader.TokenType switch
    {
        JsonTokenType.True => true,
        JsonTokenType.False => false,
        _ => throw Malformed("true or false"),
    };

    /// <summary>A register value or mask: a string such as <c>"0x2e7"</c>.</summary>
    public readonly ulong ReadHex(ulong max)
    {
        ReadOnlySpan<byte> text = _reader.ValueSpan;
        return _reader.TokenType == JsonTokenType.String
            && text.StartsWith("0x"u8)
            && text.Length is > 2 and <= 2 + MaxHexDigits
            && Utf8Parser.TryParse(text[2..], out ulong value, out int consumed, 'x')
            && consumed == text.Length - 2
            && value <= max
                ? value
                : throw Malformed($"a string from \"0x0\" to \"0x{max:x}\"");
    }

    /// <summary>One of a few words; gives its index.</summary>
    public readonly int ReadWord(ReadOnlySpan<string> words)
    {
        for (int i = 0; i < words.Length; i++)
        {
            if (_reader.TokenType == JsonTokenType.String && IsName(words[i]))
            {
                return i;
            }
        }

        throw Malformed($"one of {string.Join(", ", words!)}");
    }

    /// <summary>Two hexadecimal digits for each byte, written to the start of the destination; gives their number.</summary>
    public readonly int ReadHexBytes(Span<byte> destination)
    {
        Expect(JsonTokenType.String, "a string of hexadecimal digits");
        ReadOnlySpan<byte> digits = _reader.ValueSpan;
        return Convert.FromHexString(digits, destination, out int consumed, out int written) == OperationStatus.Done
            && consumed == digits.Length && written > 0
            ? written
            : throw Malformed($"1 to {destination.Length} bytes of two hexadecimal digits each");
    }

    /// <summary>An error at the current token that quotes it.</summary>
    public readonly MalformedArtifactException Malformed(string expected) => Malformed(Token, expected);

    /// <summary>An error at the current token.</summary>
    public readonly MalformedArtifactException Malformed(string found, string expected) =>
        new(_format, _reader.TokenStartIndex, $"{found} at {Path}", expected);

    private readonly string Token => _reader.TokenType switch
    {
        JsonTokenType.StartObject => "an object",
        JsonTokenType.StartArray => "an array",
        JsonTokenType.String => Quotation.Of(_reader.ValueSpan),
        _ => Encoding.ASCII.GetString(_reader.ValueSpan[..Math.Min(_reader.ValueSpan.Length, 40)]),
    };

    private readonly string Path
    {
        get
        {
            StringBuilder path = new("$");
            foreach (Step step in _path.AsSpan(0, _depth))
            {
                if (step.Name is not null)
                {
                    path.Append('.').Append(step.Name);
                }
                else if (step.Index >= 0)
                {
                    path.Append('[').Append(step.Index).Append(']');
                }
            }

            return path.ToString();
        }
    }

    private void Advance()
    {
        try
        {
            if (!_reader.Read())
            {
                throw new MalformedArtifactException(_format, _reader.BytesConsumed, $"the end of the data at {Path}",
                    "the rest of the document");
            }
        }
        catch (JsonException error)
        {
            throw NoJson(error);
        }
    }

    private readonly MalformedArtifactException NoJson(JsonException error) =>
        new(_format, _reader.BytesConsumed, $"what is no JSON at {Path}: {Quotation.Cut(error.Message, Quotation.MaxProse)}", "JSON");

    private void Begin(JsonTokenType token, string expected)
    {
        Expect(token, expected);
        _path[_depth++] = Step.None;
    }

    private readonly void Expect(JsonTokenType token, string expected)
    {
        if (_reader.TokenType != token)
        {
            throw Malformed(expected);
        }
    }

    private readonly bool IsName(string name)
    {
        try
        {
            return _reader.ValueTextEquals(name);
        }
        catch (InvalidOperationException)
        {
            // An escape that is no Unicode scalar value: equal to nothing.
            return false;
        }
    }

    private readonly record struct Step(string? Name, int Index)
    {
        /// <summary>Inside an object or array, before its first member or item.</summary>
        public static Step None => new(null, -1);
    }
}
