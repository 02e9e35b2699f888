using System.Buffers;
using System.Text;
using Xstate.Artifacts.Text;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Walks what Rust prints of a value for <c>{:#?}</c>: a line for each field, <c>name: Type {</c> and <c>[</c> for what has fields of its
/// own, numbers in decimal. Only fields between the opening and the closing bracket of the named type are told; there, a line that is
/// neither is an error.
/// </summary>
internal ref struct DebugText
{
    private const string Element = "*";
    private const int MaxNesting = 16;
    private const int LongestName = 64;

    private static readonly SearchValues<byte> InName =
        SearchValues.Create("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"u8);

    private readonly string _format;
    private readonly string _type;
    private readonly List<(string Path, byte Closing)> _open = [];
    private PastedLines _lines;

    /// <param name="text">The text.</param>
    /// <param name="type">The structure to look into, wherever it stands.</param>
    /// <param name="format">Name of the format, for messages.</param>
    /// <param name="limits">Ceilings.</param>
    public DebugText(ReadOnlySpan<byte> text, string type, string format, ArtifactLimits limits)
    {
        _lines = new PastedLines(text, format, limits);
        _format = format;
        _type = type;
    }

    /// <summary>What the line is.</summary>
    public DebugLine Kind { get; private set; }

    /// <summary>
    /// Where the line's field stands in the structure: <c>xcrs.xcrs.*.value</c>, with <c>*</c> for an element of a list. The structure
    /// itself is the empty path.
    /// </summary>
    public string Path { get; private set; } = "";

    /// <summary>The value, as text.</summary>
    public ReadOnlySpan<byte> Value { get; private set; }

    /// <summary>Offset of the line.</summary>
    public readonly int Offset => _lines.Offset;

    /// <summary>Lines outside of the structures.</summary>
    public readonly Captures.SkippedText? Skipped => _lines.Skipped;

    /// <summary>Whether a line opens a structure of a type.</summary>
    public static bool Opens(ReadOnlySpan<byte> line, string type) =>
        TryOpen(line.Trim(" \t"u8), out _, out ReadOnlySpan<byte> named, out byte closing) && closing == '}'
        && Encoding.ASCII.GetString(named) == type;

    /// <summary>The next line of a structure; false at the end of the text.</summary>
    /// <exception cref="MalformedArtifactException">A line of a structure is none, or the text ends within one.</exception>
    public bool MoveNext()
    {
        while (_lines.MoveNext())
        {
            ReadOnlySpan<byte> line = _lines.Line.Trim(" \t"u8);
            if (_open.Count == 0)
            {
                if (Opens(line, _type))
                {
                    Push("", (byte)'}');
                    return true;
                }

                if (!IsHead(line))
                {
                    _lines.Skip();
                }
            }
            else if (!_lines.IsBlank)
            {
                Read(line);
                return true;
            }
        }

        return _open.Count == 0 ? false : throw new MalformedArtifactException(_format, _lines.Offset,
            $"the end of the text within {_type}", "its closing bracket");
    }

    /// <summary>The value as a number.</summary>
    /// <param name="max">The largest that its field can hold.</param>
    /// <exception cref="MalformedArtifactException">It is none, or larger.</exception>
    public readonly ulong Number(ulong max)
    {
        return System.Buffers.Text.Utf8Parser.TryParse(Value, out ulong value, out int length) && length == Value.Length && value <= max
            ? value
            : throw Malformed($"a number up to {max}");
    }

    /// <summary>An error at the line that quotes it.</summary>
    public readonly MalformedArtifactException Malformed(string expected) => _lines.Malformed(expected);

    // "vcpu 0:", which the program prints before each.
    private static bool IsHead(ReadOnlySpan<byte> line) => line.StartsWith("vcpu "u8) && line.EndsWith(":"u8);

    private void Read(ReadOnlySpan<byte> line)
    {
        (string path, byte closing) = _open[^1];
        ReadOnlySpan<byte> text = line.EndsWith(","u8) ? line[..^1] : line;
        if (text.Length == 1 && text[0] is (byte)'}' or (byte)']' or (byte)')')
        {
            if (text[0] != closing)
            {
                throw Malformed($"{(char)closing}");
            }

            _open.RemoveAt(_open.Count - 1);
            Now(DebugLine.Close, path, default);
        }
        else if (TryOpen(line, out ReadOnlySpan<byte> name, out _, out byte opened))
        {
            Push(Under(path, name), opened);
        }
        else if (line.EndsWith(","u8) && !text.IsEmpty)
        {
            ReadOnlySpan<byte> value = AfterName(text, out name);
            Now(DebugLine.Value, Under(path, name), value);
        }
        else
        {
            throw Malformed("\"name: value,\", or a bracket");
        }
    }

    private void Push(string path, byte closing)
    {
        if (_open.Count == MaxNesting)
        {
            throw Malformed($"at most {MaxNesting} brackets within each other");
        }

        _open.Add((path, closing));
        Now(DebugLine.Open, path, default);
    }

    private void Now(DebugLine kind, string path, ReadOnlySpan<byte> value)
    {
        Kind = kind;
        Path = path;
        Value = value;
    }

    // "name: Type {", "name: [", "Type {", "[", "Some(".
    private static bool TryOpen(ReadOnlySpan<byte> line, out ReadOnlySpan<byte> name, out ReadOnlySpan<byte> type, out byte closing)
    {
        name = default;
        type = default;
        closing = line.IsEmpty ? (byte)0 : line[^1] switch
        {
            (byte)'{' => (byte)'}',
            (byte)'[' => (byte)']',
            (byte)'(' => (byte)')',
            _ =>
            (byte)0
        };
        if (closing == 0)
        {
            return false;
        }

        type = AfterName(line[..^1], out name).Trim(" "u8);
        return !type.ContainsAnyExcept(InName);
    }

    private static ReadOnlySpan<byte> AfterName(ReadOnlySpan<byte> text, out ReadOnlySpan<byte> name)
    {
        int colon = text.IndexOf(": "u8);
        bool named = colon is > 0 and <= LongestName && !text[..colon].ContainsAnyExcept(InName);
        name = named ? text[..colon] : default;
        return named ? text[(colon + 2)..] : text;
    }

    private static string Under(string path, ReadOnlySpan<byte> name)
    {
        string own = name.IsEmpty ? Element : Encoding.ASCII.GetString(name);
        return path.Length == 0 ? own : $"{path}.{own}";
    }
}
