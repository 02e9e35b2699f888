using System.Buffers.Binary;

namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// Walks bincode with fixed-width little-endian integers: strings, lists and byte strings have a 64-bit length before them, options and
/// booleans are one byte, an enumeration is its 32-bit number.
/// </summary>
internal ref struct BincodeCursor
{
    private readonly ReadOnlySpan<byte> _file;

    public BincodeCursor(ReadOnlySpan<byte> file, int offset)
    {
        _file = file;
        Offset = offset;
    }

    /// <summary>Where the next value begins.</summary>
    public int Offset { get; private set; }

    /// <summary>The next bytes.</summary>
    public ReadOnlySpan<byte> Take(int length, string what)
    {
        if (length > _file.Length - Offset)
        {
            throw Malformed($"the end of the state at {_file.Length}", $"{length} bytes of {what}");
        }

        ReadOnlySpan<byte> bytes = _file.Slice(Offset, length);
        Offset += length;
        return bytes;
    }

    /// <summary>A structure of known size; with its length before it when the version writes structures as byte strings.</summary>
    /// <returns>Where its bytes begin.</returns>
    public int Structure(int length, bool isBlob, string what)
    {
        if (isBlob)
        {
            ulong stated = UInt64(what);
            if (stated != (ulong)length)
            {
                Offset -= sizeof(ulong);
                throw Malformed($"a length of {stated}", $"{length} bytes of {what}");
            }
        }

        int start = Offset;
        Take(length, what);
        return start;
    }

    /// <summary>A number of items, each of which takes at least some bytes of the rest of the file.</summary>
    public int Count(string what, int max, int itemLength)
    {
        ulong count = UInt64(what);
        int room = (_file.Length - Offset) / itemLength;
        if (count > (ulong)Math.Min(max, room))
        {
            Offset -= sizeof(ulong);
            throw Malformed($"{count} {what}", $"at most {Math.Min(max, room)}");
        }

        return (int)count;
    }

    public byte Byte(string what) => Take(1, what)[0];

    public uint UInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    public ulong UInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    /// <summary>The word at a place that was already passed.</summary>
    public readonly uint CountAt(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(_file[offset..]);

    /// <summary>A byte that is 0 or 1: a boolean, or whether an option has a value.</summary>
    public bool Flag(string what)
    {
        byte value = Byte(what);
        if (value > 1)
        {
            Offset--;
            throw Malformed($"0x{value:x}", $"0 or 1 for {what}");
        }

        return value == 1;
    }

    public readonly MalformedArtifactException Malformed(string found, string expected) =>
        new(FirecrackerReader.Format, Offset, found, expected);
}
