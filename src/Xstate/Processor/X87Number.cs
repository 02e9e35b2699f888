using System.Buffers.Binary;
using System.Numerics;

namespace Xstate.Processor;

/// <summary>
/// The number formats that FLD and FST convert between (SDM Vol. 1, 4.2 and 8.5), with the exceptions that a conversion raises as bits of
/// FSW.
/// </summary>
internal static class X87Number
{
    public const ushort InvalidOperation = 1 << 0;
    public const ushort Denormal = 1 << 1;
    public const ushort Overflow = 1 << 3;
    public const ushort Underflow = 1 << 4;
    public const ushort Precision = 1 << 5;

    private const int Length = 10;
    private const int MaxExponent = 0x7FFF;
    private const int Bias = 0x3FFF;
    private const ulong IntegerBit = 1UL << 63;
    private const ulong QuietBit = 1UL << 62;
    private const int RoundDown = 1;
    private const int RoundUp = 2;
    private const int RoundToZero = 3;

    /// <summary>The "real indefinite", the answer to an invalid operation.</summary>
    public static ReadOnlySpan<byte> Indefinite => [0, 0, 0, 0, 0, 0, 0, 0xC0, 0xFF, 0xFF];

    /// <summary>A number in the form of a register.</summary>
    public static void Write(Span<byte> register, bool negative, int exponent, ulong significand)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(register, significand);
        BinaryPrimitives.WriteUInt16LittleEndian(register[sizeof(ulong)..], (ushort)(exponent | (negative ? 0x8000 : 0)));
    }

    /// <summary>FILD: exact for every integer.</summary>
    public static void FromInteger(long value, Span<byte> register)
    {
        ulong magnitude = value < 0 ? (ulong)-value : (ulong)value;
        int zeros = BitOperations.LeadingZeroCount(magnitude);
        Write(register, value < 0, magnitude == 0 ? 0 : Bias + 63 - zeros, magnitude == 0 ? 0 : magnitude << zeros);
    }

    /// <summary>FLD of single or double precision.</summary>
    /// <returns>The exceptions.</returns>
    public static ushort FromMemory(ulong bits, int size, Span<byte> register)
    {
        (int fractionBits, int exponentBits) = Format(size);
        bool negative = (bits >> (fractionBits + exponentBits) & 1) != 0;
        int exponent = (int)(bits >> fractionBits) & ((1 << exponentBits) - 1);
        ulong fraction = bits & ((1UL << fractionBits) - 1);
        ulong significand = fraction << (63 - fractionBits);
        int bias = (1 << (exponentBits - 1)) - 1;
        if (exponent == (1 << exponentBits) - 1)
        {
            bool signalling = fraction != 0 && (significand & QuietBit) == 0;
            Write(register, negative, MaxExponent, significand | IntegerBit | (signalling ? QuietBit : 0));
            return signalling ? InvalidOperation : (ushort)0;
        }

        if (exponent == 0)
        {
            int zeros = fraction == 0 ? 0 : BitOperations.LeadingZeroCount(significand);
            Write(register, negative, fraction == 0 ? 0 : Bias - bias + 1 - zeros, significand << zeros);
            return fraction == 0 ? (ushort)0 : Denormal;
        }

        Write(register, negative, exponent - bias + Bias, significand | IntegerBit);
        return 0;
    }

    /// <summary>FST to single or double precision.</summary>
    /// <param name="register">The register's ten bytes.</param>
    /// <param name="size">4 or 8.</param>
    /// <param name="fcw">The control word, for rounding and for what masked exceptions give.</param>
    /// <param name="bits">The result where no unmasked exception forbids it.</param>
    /// <param name="roundedUp">Whether the magnitude grew: C1.</param>
    /// <returns>The exceptions.</returns>
    public static ushort ToMemory(ReadOnlySpan<byte> register, int size, ushort fcw, out ulong bits, out bool roundedUp)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(register);
        int exponent = BinaryPrimitives.ReadUInt16LittleEndian(register[sizeof(ulong)..Length]);
        bool negative = (exponent & 0x8000) != 0;
        exponent &= MaxExponent;
        (int fractionBits, int exponentBits) = Format(size);
        ulong sign = negative ? 1UL << (fractionBits + exponentBits) : 0;
        ulong infinity = ((1UL << exponentBits) - 1) << fractionBits;
        roundedUp = false;
        bits = sign;
        if (exponent == 0 && significand == 0)
        {
            return 0;
        }

        if (exponent != 0 && (significand & IntegerBit) == 0)
        {
            // Formats of the 8087 that no longer exist.
            bits = infinity | 1UL << (fractionBits - 1) | 1UL << (fractionBits + exponentBits);
            return InvalidOperation;
        }

        if (exponent == MaxExponent)
        {
            bool isNumber = significand == IntegerBit;
            bool signalling = !isNumber && (significand & QuietBit) == 0;
            bits = sign | infinity | (isNumber ? 0 : ((significand & ~IntegerBit) >> (63 - fractionBits)) | 1UL << (fractionBits - 1));
            return signalling ? InvalidOperation : (ushort)0;
        }

        Target target = new(fractionBits, exponentBits, fcw);
        return Round(significand, Math.Max(exponent, 1) - Bias, negative, target, ref bits, out roundedUp);
    }

    private static (int FractionBits, int ExponentBits) Format(int size) => size == sizeof(float) ? (23, 8) : (52, 11);

    private static ushort Round(ulong significand, int exponent, bool negative, Target target, ref ulong bits, out bool roundedUp)
    {
        int zeros = BitOperations.LeadingZeroCount(significand);
        significand <<= zeros;
        exponent -= zeros;
        int drop = 63 - target.FractionBits;

        // Tiny is what would be below the smallest normal number even after rounding to an exponent without bounds (SDM Vol. 1, 4.9.1.5).
        ulong unbounded = RoundAt(significand, drop, negative, target.Rounding, out bool _, out bool _);
        bool tiny = exponent < target.MinExponent && !(exponent == target.MinExponent - 1 && unbounded >> (target.FractionBits + 1) != 0);
        int shift = exponent < target.MinExponent ? drop + target.MinExponent - exponent : drop;
        ulong kept = RoundAt(significand, shift, negative, target.Rounding, out bool inexact, out roundedUp);
        if (kept >> (target.FractionBits + 1) != 0)
        {
            kept >>= 1;
            exponent++;
        }

        bool isNormal = kept >> target.FractionBits != 0;
        int biased = isNormal ? Math.Max(exponent, target.MinExponent) + target.MaxExponent : 0;
        if (biased > 2 * target.MaxExponent)
        {
            bool toInfinity = target.Rounding is 0 || target.Rounding == (negative ? RoundDown : RoundUp);
            ulong largest = ((ulong)((2 * target.MaxExponent) + 1) << target.FractionBits) - 1;
            bits |= toInfinity ? largest + 1 : largest;
            roundedUp = toInfinity;
            return Overflow | Precision;
        }

        bits |= (ulong)biased << target.FractionBits | kept & ((1UL << target.FractionBits) - 1);
        bool underflow = tiny && (inexact || (target.Fcw & Underflow) == 0);
        return (ushort)((inexact ? Precision : 0) | (underflow ? Underflow : 0));
    }

    private static ulong RoundAt(ulong significand, int shift, bool negative, int rounding, out bool inexact, out bool roundedUp)
    {
        // What falls off, compared with one half of the last bit that stays.
        (ulong kept, ulong rest, ulong half) = shift switch
        {
            < 64 => (significand >> shift, significand & ((1UL << shift) - 1), 1UL << (shift - 1)),
            64 => (0UL, significand, IntegerBit),
            _ => (0UL, 1UL, 2UL),
        };
        inexact = rest != 0;
        roundedUp = inexact && rounding switch
        {
            RoundDown => negative,
            RoundUp => !negative,
            RoundToZero => false,
            _ => rest > half || (rest == half && (kept & 1) != 0),
        };
        return kept + (roundedUp ? 1UL : 0);
    }

    private readonly record struct Target(int FractionBits, int ExponentBits, ushort Fcw)
    {
        public int MaxExponent => (1 << (ExponentBits - 1)) - 1;

        public int MinExponent => 1 - MaxExponent;

        public int Rounding => Fcw >> 10 & 3;
    }
}
