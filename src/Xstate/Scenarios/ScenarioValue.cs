using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Xstate.Scenarios;

/// <summary>
/// One JSON value of a scenario with its place. Objects are read field by field; what is left over at the end is an error.
/// </summary>
internal sealed class ScenarioValue
{
    private const int MaxDepth = 16;

    // Objects with more members than this look names up in a table.
    private const int FewMembers = 8;

    private static readonly List<(string Name, ScenarioValue Value)> None = [];

    private readonly JsonTokenType _type;
    private readonly string _text;
    private readonly Place _place;
    private readonly List<(string Name, ScenarioValue Value)> _members;
    private HashSet<string>? _taken;

    private ScenarioValue(JsonTokenType type, string text, int line, Place place)
    {
        _type = type;
        _text = text;
        _place = place;
        _members = type is JsonTokenType.StartObject or JsonTokenType.StartArray ? [] : None;
        Line = line;
    }

    public int Line { get; }

    /// <summary>
    /// Where it is, such as <c>steps[2].vcpu</c>. Made when it is asked for: in a large file it would be most of the memory.
    /// </summary>
    public string Path => _place.ToString();

    public bool IsObject => _type == JsonTokenType.StartObject;

    public bool IsString => _type == JsonTokenType.String;

    public IReadOnlyList<ScenarioValue> Items => _type == JsonTokenType.StartArray
        ? [.. _members.Select(m => m.Value)] : throw Error("an array is expected");

    public IReadOnlyList<(string Name, ScenarioValue Value)> Members => IsObject ? _members : throw Error("an object is expected");

    /// <summary>Reads one value, in time that grows with its length only.</summary>
    /// <param name="json">The text.</param>
    /// <param name="firstLine">Its first line's number.</param>
    /// <param name="maxValues">How many values it may have, the inner ones too.</param>
    public static ScenarioValue Parse(ReadOnlySpan<byte> json, int firstLine, int maxValues)
    {
        Reading reading = new()
        {
            Json = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = MaxDepth }),
            Text = json,
            Line = firstLine,
            Left = maxValues
        };
        try
        {
            reading.Json.Read();
            ScenarioValue value = Read(ref reading, Place.Root);
            return reading.Json.Read() ? throw new ScenarioException(reading.LineHere(), "", "nothing is expected behind the object")
                : value;
        }
        catch (JsonException error)
        {
            throw new ScenarioException(firstLine + (int)(error.LineNumber ?? 0), "",
                "not JSON: " + Quotation.Cut(error.Message, Quotation.MaxProse));
        }
    }

    public ScenarioException Error(string problem) => new(Line, Path, problem);

    public ScenarioValue? Take(string name)
    {
        (_taken ??= new HashSet<string>(StringComparer.Ordinal)).Add(name);
        foreach ((string key, ScenarioValue value) in Members)
        {
            if (key == name)
            {
                return value;
            }
        }

        return null;
    }

    public ScenarioValue Require(string name) => Take(name)
        ?? throw new ScenarioException(Line, _place.Member(name).ToString(), "this field is missing");

    /// <summary>Throws at the first member that nobody took.</summary>
    public void End()
    {
        foreach ((string name, ScenarioValue value) in Members)
        {
            if (_taken?.Contains(name) != true)
            {
                throw value.Error("there is no such field here");
            }
        }
    }

    public string Text() => IsString ? _text : throw Error("a string is expected");

    public int Integer(int min, int max) =>
        _type == JsonTokenType.Number && int.TryParse(_text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value)
        && value >= min && value <= max
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

    private static ScenarioValue Read(ref Reading reading, Place place)
    {
        int line = reading.LineHere();
        if (reading.Left-- == 0)
        {
            throw new ScenarioException(line, place.ToString(), "the scenario has more values than are read");
        }

        ScenarioValue value = new(reading.Json.TokenType, reading.Json.TokenType switch
        {
            JsonTokenType.String => reading.TakeString(place),
            JsonTokenType.Number or JsonTokenType.True or JsonTokenType.False or JsonTokenType.Null =>
                Encoding.UTF8.GetString(reading.Json.ValueSpan),
            _ => "",
        }, line, place);
        if (reading.Json.TokenType == JsonTokenType.StartObject)
        {
            value.ReadMembers(ref reading);
        }
        else if (reading.Json.TokenType == JsonTokenType.StartArray)
        {
            while (reading.Json.Read() && reading.Json.TokenType != JsonTokenType.EndArray)
            {
                value._members.Add(("", Read(ref reading, place.Item(value._members.Count))));
            }
        }

        return value;
    }

    private void ReadMembers(ref Reading reading)
    {
        HashSet<string>? names = null;
        while (reading.Json.Read() && reading.Json.TokenType != JsonTokenType.EndObject)
        {
            string name = reading.TakeString(_place);
            if (_members.Count == FewMembers)
            {
                names = new HashSet<string>(_members.Select(member => member.Name), StringComparer.Ordinal);
            }

            if (names is null ? _members.Exists(member => member.Name == name) : !names.Add(name))
            {
                throw new ScenarioException(reading.LineHere(), _place.Member(name).ToString(), "this field is there twice");
            }

            reading.Json.Read();
            _members.Add((name, Read(ref reading, _place.Member(name))));
        }
    }

    // A name, and what it is within.
    private sealed record Place(Place? Outer, string? Name, int Index)
    {
        public static Place Root { get; } = new(null, null, 0);

        public Place Member(string name) => new(this, name, 0);

        public Place Item(int index) => new(this, null, index);

        public override string ToString() =>
            Outer is null ? ""
            : Name is null ? string.Create(CultureInfo.InvariantCulture, $"{Outer}[{Index}]")
            : Outer.Outer is null ? Quotation.Cut(Name)
            : $"{Outer}.{Quotation.Cut(Name)}";
    }

    // How far the text has been read.
    private ref struct Reading
    {
        public Utf8JsonReader Json;
        public ReadOnlySpan<byte> Text;
        public int Line;
        public int Left;
        private int _counted;

        // Tokens come in order: only the lines since the last one are counted.
        public int LineHere()
        {
            int offset = (int)Json.TokenStartIndex;
            Line += Text[_counted..offset].Count((byte)'\n');
            _counted = offset;
            return Line;
        }

        public string TakeString(Place place)
        {
            try
            {
                return Json.GetString()!;
            }
            catch (InvalidOperationException)
            {
                // Half of a pair of surrogates, as an escape: JSON's grammar allows it, and it stands for no text.
                throw new ScenarioException(LineHere(), place.ToString(), "the string or name is not valid Unicode");
            }
        }
    }
}
