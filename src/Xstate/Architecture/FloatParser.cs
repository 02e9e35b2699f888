using System.Globalization;
using System.Numerics;

namespace Xstate.Architecture;

/// <summary>Decimal text to binary floating point, rounded once.</summary>
internal static class FloatParser
{
    // More digits or a longer exponent change no number of any format here, and would only cost time.
    private const int MaxDigits = 20_000;
    private const int MaxPower = 20_000;

    /// <summary>Whether the text is an infinity without its sign.</summary>
    public static bool IsInfinity(string text) => text.Equals("inf", StringComparison.OrdinalIgnoreCase)
        || text.Equals("infinity", StringComparison.OrdinalIgnoreCase);

    /// <summary>Reads <c>nan</c> and <c>nan(0x…)</c> without a sign; the payload is null when none is given.</summary>
    public static bool TryPayload(string text, out ulong? payload)
    {
        payload = null;
        if (text.Equals("nan", StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        if (!text.StartsWith("nan(0x", StringComparison.OrdinalIgnoreCase) || !text.EndsWith(')')
            || !ulong.TryParse(text.AsSpan(6, text.Length - 7), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture,
                out ulong bits))
        {
            return false;
        }

        payload = bits;
        return true;
    }

    /// <summary>Reads a decimal without a sign as an integer and a power of ten.</summary>
    public static bool TryDecimal(string text, out BigInteger digits, out int power)
    {
        power = 0;
        digits = default;
        int mark = text.IndexOfAny(['e', 'E']);
        string mantissa = mark < 0 ? text : text[..mark];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        string all = point < 0 ? mantissa : mantissa.Remove(point, 1);
        bool ok = all.Length is > 0 and <= MaxDigits && !all.AsSpan().ContainsAnyExceptInRange('0', '9')
            && BigInteger.TryParse(all, NumberStyles.None, CultureInfo.InvariantCulture, out digits);
        if (ok && mark >= 0)
        {
            ok = int.TryParse(text.AsSpan(mark + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out power)
                && Math.Abs(power) <= MaxPower;
        }

        power -= point < 0 ? 0 : mantissa.Length - point - 1;
        return ok;
    }

    /// <summary>Rounds a decimal to nearest, ties to even.</summary>
    /// <param name="digits">The digits as an integer.</param>
    /// <param name="power">The power of ten that they are multiplied by.</param>
    /// <param name="bits">Bits of the significand.</param>
    /// <param name="leastExponent">The power of two of the format's least bit: where denormals end.</param>
    /// <returns>The significand and its power of two; fewer bits than asked for only for denormals and zero.</returns>
    public static (ulong Significand, int Exponent) Round(BigInteger digits, int power, int bits, int leastExponent)
    {
        if (digits.IsZero)
        {
            return (0, leastExponent);
        }

        BigInteger numerator = power >= 0 ? digits * BigInteger.Pow(10, power) : digits;
        BigInteger denominator = power >= 0 ? BigInteger.One : BigInteger.Pow(10, -power);
        int exponent = Math.Max((int)(numerator.GetBitLength() - denominator.GetBitLength()) - bits, leastExponent);
        BigInteger significand = Divide(numerator, denominator, exponent);
        while (significand.GetBitLength() > bits)
        {
            significand = Divide(numerator, denominator, ++exponent);
        }

        return ((ulong)significand, exponent);
    }

    private static BigInteger Divide(BigInteger numerator, BigInteger denominator, int exponent)
    {
        BigInteger scaledUp = exponent < 0 ? numerator << -exponent : numerator;
        BigInteger scaledDown = exponent > 0 ? denominator << exponent : denominator;
        BigInteger quotient = BigInteger.DivRem(scaledUp, scaledDown, out BigInteger rest);
        int compared = (rest * 2).CompareTo(scaledDown);
        return compared > 0 || (compared == 0 && !quotient.IsEven) ? quotient + 1 : quotient;
    }
}
