using System.Globalization;
using System.Text.Json;

namespace Xstate.Scenarios;

/// <summary>One JSON value of a scenario with its place. Objects are read field by field; what is left over at the end is an error.</summary>
internal sealed class ScenarioValue
{
    private readonly JsonTokenType _type;
    private readonly string _text;
    private readonly List<(string Name, ScenarioValue Value)> _members = [];
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);

    private ScenarioValue(JsonTokenType type, string text, int line, string path)
    {
        _type = type;
        _text = text;
        Line = line;
        Path = path;
    }

    public int Line { get; }

    public string Path { get; }

    public bool IsObject => _type == JsonTokenType.StartObject;

    public bool IsString => _type == JsonTokenType.String;

    public IReadOnlyList<ScenarioValue> Items => _type == JsonTokenType.StartArray ? [.. _members.Select(m => m.Value)] : throw Error("an array is expected");

    public IReadOnlyList<(string Name, ScenarioValue Value)> Members => IsObject ? _members : throw Error("an object is expected");

    public static ScenarioValue Parse(ReadOnlySpan<byte> json, int firstLine)
    {
        Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 16 });
        try
        {
            reader.Read();
            ScenarioValue value = Read(ref reader, json, firstLine, "");
            return reader.Read() ? throw new ScenarioException(LineOf(json, reader.TokenStartIndex, firstLine), "", "nothing is expected behind the object") : value;
        }
        catch (JsonException error)
        {
            throw new ScenarioException(firstLine + (int)(error.LineNumber ?? 0), error.Path ?? "", "not JSON: " + error.Message);
        }
    }

    public ScenarioException Error(string problem) => new(Line, Path, problem);

    public ScenarioValue? Take(string name)
    {
        _taken.Add(name);
        foreach ((string key, ScenarioValue value) in Members)
        {
            if (key == name)
            {
                return value;
            }
        }

        return null;
    }

    public ScenarioValue Require(string name) => Take(name) ?? throw new ScenarioException(Line, Path.Length == 0 ? name : $"{Path}.{name}", "this field is missing");

    /// <summary>Throws at the first member that nobody took.</summary>
    public void End()
    {
        foreach ((string name, ScenarioValue value) in Members)
        {
            if (!_taken.Contains(name))
            {
                throw value.Error("there is no such field here");
            }
        }
    }

    public string Text() => IsString ? _text : throw Error("a string is expected");

    public int Integer(int min, int max) =>
        _type == JsonTokenType.Number && int.TryParse(_text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= min && value <= max
            ? value
            : throw Error($"a number from {min} to {max} is expected");

    /// <summary>A register value: <c>"0x2e7"</c>, or a number.</summary>
    public ulong Number(ulong max = ulong.MaxValue)
    {
        bool hex = IsString && _text.StartsWith("0x", StringComparison.Ordinal);
        bool ok = hex
            ? ulong.TryParse(_text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out ulong value)
            : ulong.TryParse(_type == JsonTokenType.Number ? _text : "", NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return ok && value <= max ? value : throw Error($"a value from \"0x0\" to \"0x{max:x}\" is expected");
    }

    public byte[] Bytes(int max)
    {
        try
        {
            byte[] bytes = Convert.FromHexString(Text());
            return bytes.Length <= max ? bytes : throw Error($"at most {max} bytes are expected");
        }
        catch (FormatException error) when (error is not ScenarioException)
        {
            throw Error("hexadecimal digits, two for each byte, are expected");
        }
    }

    private static ScenarioValue Read(ref Utf8JsonReader reader, ReadOnlySpan<byte> json, int firstLine, string path)
    {
        int line = LineOf(json, reader.TokenStartIndex, firstLine);
        ScenarioValue value = new(reader.TokenType, reader.TokenType switch
        {
            JsonTokenType.String => reader.GetString()!,
            JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null => System.Text.Encoding.UTF8.GetString(reader.ValueSpan),
            _ => "",
        }, line, path);
        if (reader.TokenType == JsonTokenType.StartObject)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
            {
                string name = reader.GetString()!;
                string inner = path.Length == 0 ? name : $"{path}.{name}";
                if (value._members.Exists(member => member.Name == name))
                {
                    throw new ScenarioException(LineOf(json, reader.TokenStartIndex, firstLine), inner, "this field is there twice");
                }

                reader.Read();
                value._members.Add((name, Read(ref reader, json, firstLine, inner)));
            }
        }
        else if (reader.TokenType == JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                value._members.Add(("", Read(ref reader, json, firstLine, $"{path}[{value._members.Count}]")));
            }
        }

        return value;
    }

    private static int LineOf(ReadOnlySpan<byte> json, long offset, int firstLine) => firstLine + json[..(int)offset].Count((byte)'\n');
}
