using System.Buffers.Binary;
using System.Globalization;
using System.Numerics;

namespace Xstate.Architecture;

/// <summary>
/// A number in the x87's double extended-precision format (SDM Vol. 1, 4.2.2): a sign, 15 bits of exponent and 64 of significand, whose
/// integer bit is explicit. Every encoding can be held, those that no processor since the 80387 produces included.
/// </summary>
/// <param name="SignExponent">Sign in bit 15, biased exponent below.</param>
/// <param name="Significand">The significand; bit 63 is the integer bit.</param>
internal readonly record struct Float80(ushort SignExponent, ulong Significand)
{
    /// <summary>Bytes of the format in memory.</summary>
    public const int Length = 10;

    private const int MaxExponent = 0x7FFF;
    private const int Bias = 16383;
    private const int FractionBits = 63;
    private const ulong IntegerBit = 1UL << FractionBits;

    /// <summary>Whether the sign bit is set.</summary>
    public bool IsNegative => (SignExponent & 0x8000) != 0;

    /// <summary>
    /// Whether the processor takes the encoding. Pseudo-infinities, pseudo-NaNs and unnormals, which lack the integer bit, raise
    /// invalid-operation when they are operands (SDM Vol. 1, table 8-3).
    /// </summary>
    public bool IsSupported => Exponent == 0 || (Significand & IntegerBit) != 0;

    /// <summary>Whether it is a NaN that the processor takes for one.</summary>
    public bool IsNaN => IsSupported && Exponent == MaxExponent && Significand != IntegerBit;

    /// <summary>Whether it is an infinity that the processor takes for one.</summary>
    public bool IsInfinity => Exponent == MaxExponent && Significand == IntegerBit;

    private int Exponent => SignExponent & MaxExponent;

    /// <summary>Reads the ten bytes of a register in memory order.</summary>
    public static Float80 Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt16LittleEndian(bytes[sizeof(ulong)..]), BinaryPrimitives.ReadUInt64LittleEndian(bytes));

    /// <summary>
    /// Reads a decimal number, <c>inf</c>, <c>nan</c> or <c>nan(0x…)</c>, each with a sign or without; decimals are rounded once, to
    /// nearest and to even.
    /// </summary>
    public static bool TryParse(string text, out Float80 value)
    {
        ArgumentNullException.ThrowIfNull(text);
        value = default;
        bool negative = text.StartsWith('-');
        string number = negative || text.StartsWith('+') ? text[1..] : text;
        ushort sign = negative ? (ushort)0x8000 : (ushort)0;
        if (FloatParser.IsInfinity(number))
        {
            value = new Float80((ushort)(sign | MaxExponent), IntegerBit);
            return true;
        }

        if (FloatParser.TryPayload(number, out ulong? payload))
        {
            value = new Float80((ushort)(sign | MaxExponent), (payload ?? 1UL << 62) | IntegerBit);
            return (value.Significand & ~IntegerBit) != 0;
        }

        if (!FloatParser.TryDecimal(number, out BigInteger digits, out int power))
        {
            return false;
        }

        (ulong significand, int exponent) = FloatParser.Round(digits, power, FractionBits + 1, 1 - Bias - FractionBits);
        int biased = exponent + Bias + FractionBits;
        if (biased >= MaxExponent)
        {
            return false;
        }

        value = new Float80((ushort)(sign | ((significand & IntegerBit) == 0 ? 0 : biased)), significand);
        return true;
    }

    /// <summary>Writes the ten bytes.</summary>
    public void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, Significand);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes[sizeof(ulong)..], SignExponent);
    }

    /// <summary>
    /// The number with 21 significant digits, which bring back the same number; <c>inf</c>, <c>nan(0x…)</c> with the significand; what is
    /// no number to the processor as <c>unsupported(0x…)</c> with all 80 bits.
    /// </summary>
    public override string ToString() => !IsSupported
        ? string.Create(CultureInfo.InvariantCulture, $"unsupported(0x{SignExponent:x4}{Significand:x16})")
        : IsNaN ? $"{(IsNegative ? "-" : "")}nan(0x{FloatText.Payload(Significand, FractionBits + 1)})"
        : FloatText.Of(IsNegative, IsInfinity, 0, FractionBits + 1, Significand, Math.Max(Exponent, 1) - Bias - FractionBits,
            FloatText.ExtendedDigits);
}
