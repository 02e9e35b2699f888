using System.Numerics;

namespace Xstate.Guests;

/// <summary>Results and flags of integer instructions (SDM Vol. 1, 3.4.3.1).</summary>
internal static class GuestArithmetic
{
    public const ulong Carry = 1;
    public const ulong Parity = 1 << 2;
    public const ulong Adjust = 1 << 4;
    public const ulong Zero = 1 << 6;
    public const ulong Sign = 1 << 7;
    public const ulong Direction = 1 << 10;
    public const ulong Overflow = 1 << 11;
    public const ulong Status = Carry | Parity | Adjust | Zero | Sign | Overflow;

    public static ulong Mask(int size) => size >= sizeof(ulong) ? ulong.MaxValue : (1UL << (size * 8)) - 1;

    public static ulong SignExtend(ulong value, int size)
    {
        int unused = 64 - (size * 8);
        return (ulong)((long)(value << unused) >> unused);
    }

    public static ulong Add(ulong a, ulong b, bool carry, int size, ref ulong flags)
    {
        ulong mask = Mask(size);
        a &= mask;
        b &= mask;
        UInt128 sum = (UInt128)a + b + (carry ? 1u : 0);
        ulong result = (ulong)sum & mask;
        ulong top = SignBit(size);
        Set(ref flags, ((sum >> (size * 8)) != 0 ? Carry : 0) | (((a ^ result) & (b ^ result) & top) != 0 ? Overflow : 0)
            | ((a ^ b ^ result) & Adjust), result, size);
        return result;
    }

    public static ulong Subtract(ulong a, ulong b, bool borrow, int size, ref ulong flags)
    {
        ulong mask = Mask(size);
        a &= mask;
        b &= mask;
        ulong result = a - b - (borrow ? 1UL : 0) & mask;
        bool carry = a < b || (borrow && a == b);
        ulong top = SignBit(size);
        Set(ref flags, (carry ? Carry : 0) | (((a ^ b) & (a ^ result) & top) != 0 ? Overflow : 0) | ((a ^ b ^ result) & Adjust), result,
            size);
        return result;
    }

    /// <summary>AND, OR, XOR and TEST: carry and overflow become 0.</summary>
    public static ulong Logic(ulong result, int size, ref ulong flags)
    {
        result &= Mask(size);
        Set(ref flags, 0, result, size);
        return result;
    }

    /// <summary>SHL, SHR, SAR; overflow is what one step would give.</summary>
    public static ulong Shift(GuestOperation operation, ulong value, int count, int size, ref ulong flags)
    {
        count &= size == sizeof(ulong) ? 63 : 31;
        value &= Mask(size);
        if (count == 0)
        {
            return value;
        }

        int bits = size * 8;
        bool isArithmetic = operation == GuestOperation.Sar;
        ulong last;
        ulong result;
        ulong overflow;
        if (operation is GuestOperation.Shl or GuestOperation.Sal)
        {
            result = count >= bits ? 0 : value << count & Mask(size);
            last = count > bits ? 0 : value >> (bits - count) & 1;
            overflow = (result >> (bits - 1) & 1) ^ last;
        }
        else
        {
            long wide = isArithmetic ? (long)SignExtend(value, size) : (long)value;
            int capped = Math.Min(count, 63);
            result = isArithmetic ? (ulong)(wide >> capped) & Mask(size) : count >= bits ? 0 : value >> count;
            last = isArithmetic ? (ulong)(wide >> Math.Min(count - 1, 63)) & 1 : count > bits ? 0 : value >> (count - 1) & 1;
            overflow = isArithmetic ? 0 : value >> (bits - 1) & 1;
        }

        Set(ref flags, last | (overflow != 0 ? Overflow : 0), result, size);
        return result;
    }

    /// <summary>Whether a condition of Jcc, SETcc or CMOVcc holds.</summary>
    public static bool Holds(GuestCondition condition, ulong flags)
    {
        bool less = (flags & Sign) != 0 != ((flags & Overflow) != 0);
        bool holds = ((int)condition >> 1) switch
        {
            0 => (flags & Overflow) != 0,
            1 => (flags & Carry) != 0,
            2 => (flags & Zero) != 0,
            3 => (flags & (Carry | Zero)) != 0,
            4 => (flags & Sign) != 0,
            5 => (flags & Parity) != 0,
            6 => less,
            _ => (flags & Zero) != 0 || less,
        };

        // Odd numbers are the opposites.
        return holds != (((int)condition & 1) != 0);
    }

    private static ulong SignBit(int size) => 1UL << ((size * 8) - 1);

    private static void Set(ref ulong flags, ulong carryOverflowAdjust, ulong result, int size)
    {
        ulong sign = (result & SignBit(size)) != 0 ? Sign : 0;
        ulong zero = result == 0 ? Zero : 0;
        ulong parity = BitOperations.PopCount(result & 0xFF) % 2 == 0 ? Parity : 0;
        flags = flags & ~Status | carryOverflowAdjust | sign | zero | parity;
    }
}
