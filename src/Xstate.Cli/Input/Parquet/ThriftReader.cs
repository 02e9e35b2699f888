namespace Xstate.Cli.Input.Parquet;

/// <summary>Reads Thrift's compact protocol, in which Parquet's metadata is written. Nothing that a length promises is allocated.</summary>
internal ref struct ThriftReader
{
    private const int MaxDepth = 16;
    private const int LongList = 15;
    private const int LastByteOfNumber = 63;

    private readonly ReadOnlySpan<byte> _bytes;
    private readonly long _offset;

    /// <param name="bytes">The bytes.</param>
    /// <param name="offset">Where they begin in the file.</param>
    public ThriftReader(ReadOnlySpan<byte> bytes, long offset)
    {
        _bytes = bytes;
        _offset = offset;
    }

    /// <summary>Bytes that were read.</summary>
    public int Position { get; private set; }

    /// <summary>Where the next byte is in the file.</summary>
    public readonly long Offset => _offset + Position;

    /// <summary>Reads the head of the next field of a struct.</summary>
    /// <param name="id">The number of the field before it, 0 at first; becomes its own.</param>
    /// <param name="type">Its type.</param>
    /// <returns>False at the end of the struct.</returns>
    public bool TryReadField(ref int id, out ThriftType type)
    {
        byte head = ReadByte();
        type = (ThriftType)(head & 0xF);
        if (head == 0)
        {
            return false;
        }

        id = head >> 4 is var delta and > 0 ? id + delta : (int)ReadInteger();
        return true;
    }

    /// <summary>A number of any width.</summary>
    public long ReadInteger()
    {
        ulong number = ReadUnsigned();
        return (long)(number >> 1) ^ -(long)(number & 1);
    }

    /// <summary>A number that must be within limits.</summary>
    public long ReadInteger(string what, long least, long most)
    {
        long at = Offset;
        long value = ReadInteger();
        return value >= least && value <= most ? value
            : throw ParquetFormat.Malformed(at, FormattableString.Invariant($"{what} {value}"),
                FormattableString.Invariant($"{least} to {most}"));
    }

    /// <summary>Bytes with their length before them.</summary>
    public ReadOnlySpan<byte> ReadBinary()
    {
        ulong length = ReadUnsigned();
        if (length > (ulong)(_bytes.Length - Position))
        {
            throw Ended();
        }

        ReadOnlySpan<byte> value = _bytes.Slice(Position, (int)length);
        Position += (int)length;
        return value;
    }

    /// <summary>The head of a list: how many elements of which type.</summary>
    public int ReadList(out ThriftType type)
    {
        long at = Offset;
        byte head = ReadByte();
        type = (ThriftType)(head & 0xF);
        ulong count = head >> 4 == LongList ? ReadUnsigned() : (uint)(head >> 4);

        // An element has a byte at least.
        return count <= (ulong)(_bytes.Length - Position) ? (int)count
            : throw ParquetFormat.Malformed(at, FormattableString.Invariant($"a list of {count} elements"), "no more than there are bytes");
    }

    /// <summary>Passes over a value that nobody asks for.</summary>
    public void Skip(ThriftType type, int depth = 0)
    {
        if (depth > MaxDepth)
        {
            throw ParquetFormat.Malformed(Offset, "values within values", FormattableString.Invariant($"at most {MaxDepth} levels"));
        }

        switch (type)
        {
            case ThriftType.True or ThriftType.False:
                break;
            case ThriftType.Byte:
                ReadByte();
                break;
            case ThriftType.Int16 or ThriftType.Int32 or ThriftType.Int64:
                ReadUnsigned();
                break;
            case ThriftType.Double:
                for (int i = 0; i < sizeof(double); i++)
                {
                    ReadByte();
                }

                break;
            case ThriftType.Binary:
                ReadBinary();
                break;
            case ThriftType.List or ThriftType.Set:
                for (int count = ReadList(out ThriftType element); count > 0; count--)
                {
                    SkipElement(element, depth + 1);
                }

                break;
            case ThriftType.Map:
                SkipMap(depth + 1);
                break;
            case ThriftType.Struct:
                for (int id = 0; TryReadField(ref id, out ThriftType field);)
                {
                    Skip(field, depth + 1);
                }

                break;
            default:
                throw ParquetFormat.Malformed(Offset, FormattableString.Invariant($"the type {(int)type}"), "a type of Thrift");
        }
    }

    private void SkipMap(int depth)
    {
        ulong pairs = ReadUnsigned();
        byte types = pairs > 0 ? ReadByte() : (byte)0;
        for (; pairs > 0; pairs--)
        {
            SkipElement((ThriftType)(types >> 4), depth);
            SkipElement((ThriftType)(types & 0xF), depth);
        }
    }

    // Outside of structs a truth value is a byte.
    private void SkipElement(ThriftType type, int depth) =>
        Skip(type is ThriftType.True or ThriftType.False ? ThriftType.Byte : type, depth);

    private ulong ReadUnsigned()
    {
        ulong value = 0;
        for (int shift = 0; shift <= LastByteOfNumber; shift += 7)
        {
            byte part = ReadByte();
            value |= (ulong)(part & 0x7F) << shift;
            if ((part & 0x80) == 0)
            {
                return value;
            }
        }

        throw ParquetFormat.Malformed(Offset, "a number of more than ten bytes", "one of 64 bits");
    }

    private byte ReadByte() => Position < _bytes.Length ? _bytes[Position++] : throw Ended();

    private readonly ThriftEndException Ended() => new(Offset);
}
