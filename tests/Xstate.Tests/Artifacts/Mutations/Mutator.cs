using System.Buffers.Binary;

namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>Damages a file in one of the ways that files get damaged, or attacked.</summary>
internal static class Mutator
{
    private const int Kinds = 13;

    // Where headers of files, segments and notes are.
    private const int FileHeader = 0x100;
    private const int Headers = 0x3800;

    /// <summary>A damaged copy. <paramref name="donor"/> is another file, of whatever format, to splice from.</summary>
    public static byte[] Mutate(ref SplitMix64 random, byte[] file, byte[] donor)
    {
        if (file.Length == 0 || donor.Length == 0)
        {
            return [.. donor];
        }

        byte[] copy = [.. file];
        switch (random.Below(Kinds))
        {
            case 0:
                return copy[..random.Below(copy.Length + 1)];
            case 1:
                byte[] tail = new byte[1 + random.Below(random.OneIn(8) ? 20_000 : 64)];
                if (random.OneIn(2))
                {
                    random.Fill(tail);
                }

                return [.. copy, .. tail];
            case 2:
                for (int flips = 1 + random.Below(8); flips > 0; flips--)
                {
                    copy[random.Below(copy.Length)] ^= (byte)(1 << random.Below(8));
                }

                return copy;
            case 3:
                for (int bytes = 1 + random.Below(4); bytes > 0; bytes--)
                {
                    copy[random.Below(copy.Length)] = random.Pick<byte>(0, 0xFF, 0x7F, 0x80, (byte)'"', (byte)'{', (byte)'}', (byte)'[',
                        (byte)'\n', (byte)'9', (byte)random.Next());
                }

                return copy;
            case 4:
                return InflateLengthField(ref random, copy);
            case 5:
                return InflateNumber(ref random, copy);
            case 6:
                Range from = Block(ref random, donor.Length);
                int at = random.Below(copy.Length + 1);
                return [.. copy[..at], .. donor[from], .. copy[at..]];
            case 7:
                Range over = Block(ref random, donor.Length);
                byte[] patch = donor[over];
                int start = random.Below(copy.Length);
                patch.AsSpan(0, Math.Min(patch.Length, copy.Length - start)).CopyTo(copy.AsSpan(start));
                return copy;
            case 8:
                Range cut = Block(ref random, copy.Length);
                return [.. copy[..cut.Start], .. copy[cut.End..]];
            case 9:
                return ChangeHeaderWords(ref random, copy);
            case 10:
                return TextEdits.Apply(ref random, copy);
            case 11:
                return MessageEdits.ApplyToImage(ref random, copy);
            default:
                Range again = Block(ref random, copy.Length);
                return random.OneIn(200) ? [] : [.. copy[..again.End], .. copy[again], .. copy[again.End..]];
        }
    }

    // A 32- or 64-bit little-endian word anywhere, most often at the start, where headers are.
    private static byte[] InflateLengthField(ref SplitMix64 random, byte[] copy)
    {
        if (copy.Length < sizeof(ulong))
        {
            return copy;
        }

        int at = random.OneIn(2) ? 0 : random.Below(copy.Length - sizeof(ulong) + 1) & ~3;
        ulong value = random.Pick<ulong>(uint.MaxValue, int.MaxValue, 0x8000_0000, ulong.MaxValue, 0x1_0000_0000, 4097, (ulong)copy.Length,
            random.Next());
        WriteWord(ref random, copy.AsSpan(at), value);
        return copy;
    }

    // One to three words among the headers: lengths and offsets that are small, huge, or those of something else in the file.
    private static byte[] ChangeHeaderWords(ref SplitMix64 random, byte[] copy)
    {
        int head = Math.Min(copy.Length, random.OneIn(2) ? FileHeader : Headers) - sizeof(ulong);
        for (int changes = head <= 0 ? 0 : 1 + random.Below(3); changes > 0; changes--)
        {
            ulong value = random.Pick<ulong>(0, 1, 2, 4, 0xFFFF, uint.MaxValue, ulong.MaxValue, long.MaxValue, (ulong)copy.Length,
                (ulong)random.Below(copy.Length), 0x205, 0x202);
            Span<byte> word = copy.AsSpan(random.Below(head) & ~3);
            if (random.OneIn(2))
            {
                value = BinaryPrimitives.ReverseEndianness(value);
            }

            WriteWord(ref random, word, value);
        }

        return copy;
    }

    private static void WriteWord(ref SplitMix64 random, Span<byte> at, ulong value)
    {
        if (random.OneIn(2))
        {
            BinaryPrimitives.WriteUInt32LittleEndian(at, (uint)value);
        }
        else
        {
            BinaryPrimitives.WriteUInt64LittleEndian(at, value);
        }
    }

    // The next run of decimal digits becomes another number.
    private static byte[] InflateNumber(ref SplitMix64 random, byte[] copy)
    {
        int from = random.Below(copy.Length);
        int start = copy.AsSpan(from).IndexOfAnyInRange((byte)'0', (byte)'9');
        if (start < 0)
        {
            return copy;
        }

        start += from;
        int length = copy.AsSpan(start).IndexOfAnyExceptInRange((byte)'0', (byte)'9');
        int end = length < 0 ? copy.Length : start + length;
        ReadOnlySpan<byte> number = random.Below(6) switch
        {
            0 => "1048576"u8,
            1 => "2147483647"u8,
            2 => "-1"u8,
            3 => "99999999999999999999999"u8,
            4 => "1e9"u8,
            _ => "4294967296"u8,
        };
        return [.. copy[..start], .. number, .. copy[end..]];
    }

    private static Range Block(ref SplitMix64 random, int length)
    {
        int start = random.Below(length);
        return start..(start + 1 + random.Below(Math.Min(length - start, random.OneIn(4) ? 4_096 : 80)));
    }
}
