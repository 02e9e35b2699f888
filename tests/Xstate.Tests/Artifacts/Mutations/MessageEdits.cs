namespace Xstate.Tests.Artifacts.Mutations;

/// <summary>
/// Damage inside Protocol Buffers messages that keeps every length around it right, so that what is deep inside is reached.
/// </summary>
internal static class MessageEdits
{
    /// <summary>Bytes before the message of a CRIU image: two magics and its length.</summary>
    public const int ImageHeader = 12;

    private const int MaxDepth = 8;
    private const int Varint = 0;
    private const int Fixed64 = 1;
    private const int Bytes = 2;
    private const int Fixed32 = 5;

    private readonly record struct Field(int Start, int Value, int End, int Type);

    /// <summary>A CRIU image with one field of its message changed.</summary>
    public static byte[] ApplyToImage(ref SplitMix64 random, byte[] image) =>
        image.Length <= ImageHeader ? image : [.. image[..ImageHeader], .. Apply(ref random, image.AsSpan(ImageHeader), 0)];

    /// <summary>A CRIU image whose length says what follows.</summary>
    public static byte[] WithLength(byte[] image)
    {
        if (image.Length > ImageHeader)
        {
            BitConverter.TryWriteBytes(image.AsSpan(ImageHeader - sizeof(int)), image.Length - ImageHeader);
        }

        return image;
    }

    private static byte[] Apply(ref SplitMix64 random, ReadOnlySpan<byte> message, int depth)
    {
        List<Field> fields = Read(message);
        if (fields.Count == 0)
        {
            return message.ToArray();
        }

        Field field = fields[random.Below(fields.Count)];
        ReadOnlySpan<byte> before = message[..field.Start];
        ReadOnlySpan<byte> tag = message[field.Start..(field.Start + 1)];
        ReadOnlySpan<byte> whole = message[field.Start..field.End];
        ReadOnlySpan<byte> after = message[field.End..];
        if (field.Type == Bytes && depth < MaxDepth && !random.OneIn(4))
        {
            byte[] inner = Apply(ref random, message[field.Value..field.End], depth + 1);
            return [.. before, .. tag, .. Number((ulong)inner.Length), .. inner, .. after];
        }

        switch (random.Below(5))
        {
            case 0:
                return [.. before, .. after];
            case 1:
                return [.. before, .. whole, .. whole, .. after];
            case 2 when field.Type == Bytes:
                ReadOnlySpan<byte> cut = message[field.Value..(field.Value + random.Below(field.End - field.Value + 1))];
                return [.. before, .. tag, .. Number((ulong)cut.Length), .. cut, .. after];
            case 3:
                return [.. before, (byte)(random.Below(24) << 3 | random.Below(8)), .. whole[1..], .. after];
            default:
                byte[] number = Number(random.Pick<ulong>(0, 1, 0x7F, 0x80, uint.MaxValue, int.MaxValue, ulong.MaxValue, 1UL << 63,
                    random.Next()));
                return [.. before, (byte)(tag[0] & ~7 | Varint), .. number, .. after];
        }
    }

    // Tags of one byte are enough for CRIU's messages; what does not parse to its end is no message.
    private static List<Field> Read(ReadOnlySpan<byte> message)
    {
        List<Field> fields = [];
        int at = 0;
        while (at < message.Length)
        {
            int start = at;
            int type = message[at++] & 7;
            int value = at;
            long end = type switch
            {
                Varint => SkipNumber(message, at, out _),
                Fixed64 => at + 8,
                Fixed32 => at + 4,
                Bytes => (value = SkipNumber(message, at, out ulong length)) + (long)Math.Min(length, int.MaxValue),
                _ => long.MaxValue,
            };
            if (end > message.Length)
            {
                return [];
            }

            fields.Add(new Field(start, value, (int)end, type));
            at = (int)end;
        }

        return fields;
    }

    private static int SkipNumber(ReadOnlySpan<byte> message, int at, out ulong value)
    {
        value = 0;
        for (int shift = 0; at < message.Length; shift += 7)
        {
            byte one = message[at++];
            value |= (ulong)(one & 0x7F) << shift;
            if (one < 0x80)
            {
                break;
            }
        }

        return at;
    }

    private static byte[] Number(ulong value)
    {
        List<byte> bytes = [];
        for (; value >= 0x80; value >>= 7)
        {
            bytes.Add((byte)(value | 0x80));
        }

        bytes.Add((byte)value);
        return [.. bytes];
    }
}
