namespace Xstate.Artifacts.Criu;

/// <summary>One message of the wire format with a length before it; the root has none that is a varint.</summary>
/// <param name="LengthStart">First byte of its length.</param>
/// <param name="Start">First byte of its content, which follows the length.</param>
/// <param name="End">Behind its content.</param>
/// <param name="Parent">The message that it is a field of; null for the root.</param>
internal sealed record WireMessage(int LengthStart, int Start, int End, WireMessage? Parent);

/// <summary>A number and the bytes that it is written in.</summary>
/// <param name="Value">Its value.</param>
/// <param name="Start">First byte, behind the tag.</param>
/// <param name="End">Behind the last byte.</param>
/// <param name="Message">The message that it is in.</param>
internal readonly record struct WireNumber(ulong Value, int Start, int End, WireMessage Message);

/// <summary>What a field's value looks like on the wire.</summary>
internal enum WireType
{
    /// <summary>A number in groups of seven bits, lowest first.</summary>
    Varint = 0,

    /// <summary>Eight bytes.</summary>
    Fixed64 = 1,

    /// <summary>A length and as many bytes: a message, a string, or numbers without tags between them.</summary>
    Bytes = 2,

    /// <summary>Four bytes.</summary>
    Fixed32 = 5,
}

/// <summary>
/// Reads the fields of one Protocol Buffers message. Knows the wire format and no schema: a field that its caller does not know is passed
/// over and keeps its bytes.
/// </summary>
internal ref struct WireReader
{
    private const int MaxVarint = 10;

    private readonly ReadOnlySpan<byte> _file;
    private readonly string _format;
    private readonly WireMessage _message;
    private int _at;

    public WireReader(ReadOnlySpan<byte> file, WireMessage message, string format)
    {
        _file = file[..message.End];
        _format = format;
        _message = message;
        _at = message.Start;
    }

    /// <summary>Number of the field that the reader stands on.</summary>
    public int Field { get; private set; }

    /// <summary>How its value is written.</summary>
    public WireType Type { get; private set; }

    /// <summary>First byte of its value; of a <see cref="WireType.Bytes"/> field, of its length.</summary>
    public int ValueStart { get; private set; }

    /// <summary>Moves to the next field; false at the end of the message.</summary>
    public bool Next()
    {
        if (_at == _file.Length)
        {
            return false;
        }

        int start = _at;
        ulong tag = Varint();
        Field = (int)Math.Min(tag >> 3, int.MaxValue);
        Type = (WireType)(tag & 7);
        ValueStart = _at;
        _at = Type switch
        {
            WireType.Varint => EndOfVarint(),
            WireType.Fixed64 => Advance(sizeof(ulong)),
            WireType.Fixed32 => Advance(sizeof(uint)),
            WireType.Bytes => Advance(Varint()),
            _ => throw Malformed(start, $"wire type {(int)Type}", "0, 1, 2 or 5"),
        };
        return Field != 0 ? true : throw Malformed(start, "field 0", "a field from 1 on");
    }

    /// <summary>The number of the field that the reader stands on.</summary>
    public readonly WireNumber Number(ulong max)
    {
        if (Type != WireType.Varint)
        {
            throw Malformed(ValueStart, $"wire type {(int)Type} in field {Field}", "a number");
        }

        return Number(ValueStart, _at, max, _message);
    }

    /// <summary>Adds the numbers of the field to a list: one, or many without tags between them.</summary>
    public readonly void AddNumbers(List<WireNumber> numbers, ulong max, int limit, string what)
    {
        if (Type == WireType.Varint)
        {
            CheckRoom(numbers, limit, what, ValueStart);
            numbers.Add(Number(max));
            return;
        }

        WireMessage packed = Message();
        for (int at = packed.Start; at < packed.End;)
        {
            CheckRoom(numbers, limit, what, at);
            int end = EndOfVarint(at);
            numbers.Add(Number(at, end, max, packed));
            at = end;
        }
    }

    /// <summary>The message that the field holds.</summary>
    public readonly WireMessage Message()
    {
        if (Type != WireType.Bytes)
        {
            throw Malformed(ValueStart, $"wire type {(int)Type} in field {Field}", "a message");
        }

        return new WireMessage(ValueStart, EndOfVarint(ValueStart), _at, _message);
    }

    public readonly MalformedArtifactException Malformed(int offset, string found, string expected) =>
        new(_format, offset, found, expected);

    private readonly void CheckRoom(List<WireNumber> numbers, int limit, string what, int at)
    {
        if (numbers.Count == limit)
        {
            throw Malformed(at, $"one more number of {what}", $"{limit}");
        }
    }

    private readonly WireNumber Number(int start, int end, ulong max, WireMessage message)
    {
        ulong value = 0;
        for (int i = start; i < end; i++)
        {
            value |= (ulong)(_file[i] & 0x7F) << (7 * (i - start));
        }

        return value <= max ? new WireNumber(value, start, end, message) : throw Malformed(start, $"{value} in field {Field}",
            $"at most {max}");
    }

    private ulong Varint()
    {
        int start = _at;
        int end = EndOfVarint();
        _at = end;
        return Number(start, end, ulong.MaxValue, _message).Value;
    }

    private readonly int EndOfVarint() => EndOfVarint(_at);

    private readonly int EndOfVarint(int start)
    {
        for (int i = start; i < Math.Min(_file.Length, start + MaxVarint); i++)
        {
            if ((_file[i] & 0x80) == 0)
            {
                return i + 1;
            }
        }

        throw Malformed(start, start + MaxVarint <= _file.Length
            ? "a number of more than ten bytes" : "the end of the message inside a number", "its last byte, without bit 7");
    }

    // Called behind the length, which is the last thing that was read.
    private readonly int Advance(ulong length) =>
        length <= (ulong)(_file.Length - _at) ? _at + (int)length : throw Malformed(ValueStart, $"{length} bytes in field {Field}",
            $"at most the {_file.Length - _at} that are left");
}
