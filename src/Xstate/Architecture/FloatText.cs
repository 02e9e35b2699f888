using System.Globalization;
using System.Numerics;
using System.Text;

namespace Xstate.Architecture;

/// <summary>
/// Binary floating-point numbers as decimal text, exact in every digit that is printed, as C's <c>%.Ng</c> and gdb print them.
/// </summary>
internal static class FloatText
{
    /// <summary>Digits that bring back the same number of 24, 53 and 64 significant bits: gdb prints as many.</summary>
    public const int SingleDigits = 9;

    /// <inheritdoc cref="SingleDigits"/>
    public const int DoubleDigits = 17;

    /// <inheritdoc cref="SingleDigits"/>
    public const int ExtendedDigits = 21;

    private const int WordBits = 32;

    /// <summary>A single.</summary>
    public static string Of(float value)
    {
        uint bits = BitConverter.SingleToUInt32Bits(value);
        uint fraction = bits & 0x7F_FFFF;
        int exponent = (int)(bits >> 23) & 0xFF;
        return Of((bits >> 31) != 0, exponent == 0xFF, fraction, 23, exponent == 0 ? fraction : fraction | 0x80_0000,
            Math.Max(exponent, 1) - 150, SingleDigits);
    }

    /// <summary>A double.</summary>
    public static string Of(double value)
    {
        ulong bits = BitConverter.DoubleToUInt64Bits(value);
        ulong fraction = bits & 0xF_FFFF_FFFF_FFFF;
        int exponent = (int)(bits >> 52) & 0x7FF;
        return Of((bits >> 63) != 0, exponent == 0x7FF, fraction, 52, exponent == 0 ? fraction : fraction | 1UL << 52,
            Math.Max(exponent, 1) - 1075, DoubleDigits);
    }

    /// <summary>A number by its parts.</summary>
    /// <param name="isNegative">The sign.</param>
    /// <param name="isSpecial">Whether the exponent is that of infinities and NaNs.</param>
    /// <param name="fraction">The bits that tell an infinity from a NaN.</param>
    /// <param name="fractionBits">How many bits a NaN's payload has as it is printed.</param>
    /// <param name="significand">The significand as an integer.</param>
    /// <param name="exponent">The power of two that it is multiplied by.</param>
    /// <param name="digits">Significant decimal digits.</param>
    public static string Of(bool isNegative, bool isSpecial, ulong fraction, int fractionBits, ulong significand, int exponent, int digits)
    {
        string sign = isNegative ? "-" : "";
        return isSpecial ? sign + (fraction == 0 ? "inf" : $"nan(0x{Payload(fraction, fractionBits)})") : sign
            + General(significand, exponent, digits);
    }

    /// <summary>The payload of a NaN as gdb writes it: words of 32 bits, the first one without leading zeros.</summary>
    public static string Payload(ulong fraction, int bits)
    {
        int first = bits % WordBits == 0 ? WordBits : bits % WordBits;
        string text = (fraction >> (bits - first)).ToString("x", CultureInfo.InvariantCulture);
        return bits == first ? text : text + ((uint)fraction).ToString("x8", CultureInfo.InvariantCulture);
    }

    // Scaled to an integer with all the digits, rounded once and to even, as the C library does.
    private static string General(ulong significand, int exponent, int digits)
    {
        if (significand == 0)
        {
            return "0";
        }

        BigInteger numerator = exponent >= 0 ? (BigInteger)significand << exponent : significand;
        BigInteger denominator = exponent >= 0 ? BigInteger.One : BigInteger.One << -exponent;
        int power = (int)Math.Floor(BigInteger.Log10(significand) + (exponent * Math.Log10(2)));
        BigInteger scaled = Scale(numerator, denominator, digits - 1 - power);
        BigInteger limit = BigInteger.Pow(10, digits);
        if (scaled >= limit)
        {
            scaled = Scale(numerator, denominator, digits - 1 - ++power);
        }
        else if (scaled < limit / 10)
        {
            scaled = Scale(numerator, denominator, digits - 1 - --power);
            if (scaled >= limit)
            {
                // Rounding up to the next power of ten.
                scaled /= 10;
                power++;
            }
        }

        return Layout(scaled.ToString(CultureInfo.InvariantCulture), power, digits);
    }

    private static BigInteger Scale(BigInteger numerator, BigInteger denominator, int power)
    {
        if (power >= 0)
        {
            numerator *= BigInteger.Pow(10, power);
        }
        else
        {
            denominator *= BigInteger.Pow(10, -power);
        }

        BigInteger quotient = BigInteger.DivRem(numerator, denominator, out BigInteger rest);
        int compared = (rest * 2).CompareTo(denominator);
        return compared > 0 || (compared == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }

    private static string Layout(string digits, int power, int precision)
    {
        const int SmallestFixed = -4;
        string significant = digits.TrimEnd('0');
        if (power < SmallestFixed || power >= precision)
        {
            StringBuilder text = new(significant[..1]);
            _ = significant.Length > 1 ? text.Append('.').Append(significant.AsSpan(1)) : text;
            return text.Append(CultureInfo.InvariantCulture, $"e{(power < 0 ? '-' : '+')}{Math.Abs(power):00}").ToString();
        }

        return power < 0 ? $"0.{new string('0', -power - 1)}{significant}"
            : significant.Length <= power + 1 ? significant.PadRight(power + 1, '0')
            : $"{significant[..(power + 1)]}.{significant[(power + 1)..]}";
    }
}
