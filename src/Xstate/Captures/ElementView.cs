using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>How the bytes of a register are read as numbers: elements of one type side by side, the lowest first.</summary>
internal sealed class ElementView
{
    private readonly Func<byte[], string> _format;
    private readonly TryParser _parse;

    private ElementView(string name, int size, Func<byte[], string> format, TryParser parse)
    {
        Name = name;
        Size = size;
        _format = format;
        _parse = parse;
    }

    private delegate bool TryParser(string text, Span<byte> bytes);

    /// <summary>All views.</summary>
    public static ImmutableArray<ElementView> All { get; } =
    [
        new("f32", sizeof(float), bytes => FloatText.Of(BinaryPrimitives.ReadSingleLittleEndian(bytes)), TrySingle),
        new("f64", sizeof(double), bytes => FloatText.Of(BinaryPrimitives.ReadDoubleLittleEndian(bytes)), TryDouble),
        .. new[] { 1, 2, 4, 8 }.SelectMany(Integers),
        new("bytes", 1, Convert.ToHexStringLower, (text, bytes) => Convert.FromHexString(text, bytes, out _,
            out int written) == System.Buffers.OperationStatus.Done && written == 1),
    ];

    /// <summary>The name, such as <c>f32</c>, <c>i8</c>, <c>u64</c>, <c>x16</c> or <c>bytes</c>.</summary>
    public string Name { get; }

    /// <summary>Bytes of an element.</summary>
    public int Size { get; }

    /// <summary>Whether elements are floating-point numbers.</summary>
    public bool IsFloat => Name[0] == 'f';

    /// <summary>The view of a name in any case; null when there is none.</summary>
    public static ElementView? Find(string name) =>
        All.FirstOrDefault(view => string.Equals(view.Name, name, StringComparison.OrdinalIgnoreCase));

    /// <summary>
    /// One element as text: floating point with as many digits as bring it back, NaNs with their payload, as gdb prints them.
    /// </summary>
    /// <param name="bytes">Exactly its bytes.</param>
    public string Format(ReadOnlySpan<byte> bytes) => _format(bytes.ToArray());

    /// <summary>Reads one element.</summary>
    /// <param name="text">A number as <see cref="Format"/> writes it, or in any notation of its type.</param>
    /// <param name="bytes">Receives exactly its bytes.</param>
    public bool TryParse(string text, Span<byte> bytes) => _parse(text, bytes);

    private static IEnumerable<ElementView> Integers(int size)
    {
        int bits = size * 8;
        string digits = string.Create(CultureInfo.InvariantCulture, $"x{size * 2}");
        yield return new ElementView($"i{bits}", size, bytes => Signed(bytes).ToString(CultureInfo.InvariantCulture), TryInteger);
        yield return new ElementView($"u{bits}", size, bytes => Unsigned(bytes).ToString(CultureInfo.InvariantCulture), TryInteger);
        yield return new ElementView($"x{bits}", size, bytes => "0x" + Unsigned(bytes).ToString(digits, CultureInfo.InvariantCulture),
            TryInteger);
    }

    private static ulong Unsigned(ReadOnlySpan<byte> bytes)
    {
        Span<byte> wide = stackalloc byte[sizeof(ulong)];
        wide.Clear();
        bytes.CopyTo(wide);
        return BinaryPrimitives.ReadUInt64LittleEndian(wide);
    }

    private static long Signed(ReadOnlySpan<byte> bytes)
    {
        int unused = (sizeof(ulong) - bytes.Length) * 8;
        return (long)(Unsigned(bytes) << unused) >> unused;
    }

    // Signed, unsigned and hexadecimal text fit any of the integer views, as long as the bits fit the element.
    private static bool TryInteger(string text, Span<byte> bytes)
    {
        int bits = bytes.Length * 8;
        bool isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        bool ok = isHexadecimal ? ulong.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
            out ulong value)
            : ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        if (!ok && long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long signed)
            && signed >= -1L << (bits - 1))
        {
            value = (ulong)signed & ulong.MaxValue >> (64 - bits);
            ok = signed < 0;
        }

        if (!ok || value > ulong.MaxValue >> (64 - bits))
        {
            return false;
        }

        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(value >> (8 * i));
        }

        return true;
    }

    private static bool TrySingle(string text, Span<byte> bytes)
    {
        if (TryFloat(text, 23, out ulong special))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)((special >> 63 << 31) | 0x7F80_0000 | (special & 0x7F_FFFF)));
            return true;
        }

        bool ok = float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) && float.IsFinite(value);
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return ok;
    }

    private static bool TryDouble(string text, Span<byte> bytes)
    {
        if (TryFloat(text, 52, out ulong special))
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, (special >> 63 << 63) | 0x7FF0_0000_0000_0000 | (special & 0xF_FFFF_FFFF_FFFF));
            return true;
        }

        bool ok = double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) && double.IsFinite(value);
        BinaryPrimitives.WriteDoubleLittleEndian(bytes, value);
        return ok;
    }

    // Infinities and NaNs: the fraction, and the sign in bit 63.
    private static bool TryFloat(string text, int fractionBits, out ulong special)
    {
        bool negative = text.StartsWith('-');
        string number = negative || text.StartsWith('+') ? text[1..] : text;
        special = negative ? 1UL << 63 : 0;
        if (FloatParser.IsInfinity(number))
        {
            return true;
        }

        if (!FloatParser.TryPayload(number, out ulong? payload) || payload is 0 || payload >> fractionBits > 0)
        {
            return false;
        }

        special |= payload ?? 1UL << (fractionBits - 1);
        return true;
    }
}
