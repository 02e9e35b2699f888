namespace Xstate.Tests.Support;

/// <summary>
/// Changes fields of a CRIU core image without knowing the others: a shadow stack, an alternate signal stack, an AVX-only state.
/// </summary>
internal static class CriuPatch
{
    private const int HeaderLength = 12;

    /// <summary>Adds user_x86_cet_entry with a pointer to the thread's XSAVE state.</summary>
    public static byte[] WithShadowStack(byte[] image, ulong pointer) =>
        ChangeXsave(image, fields => [.. fields, Field.Of(9, [Field.Of(1, 1), Field.Of(2, pointer)])]);

    /// <summary>Leaves XSTATE_BV 7 and YMM of the XSAVE state, and gives the thread an alternate signal stack.</summary>
    public static byte[] WithAlternateStack(byte[] image, ulong size)
    {
        byte[] avx = ChangeXsave(image,
            fields => [.. fields.Where(field => field.Number <= 2).Select(field => field.Number == 1 ? Field.Of(1, 7) : field)]);
        return Change(avx,
            core => In(core, 5, thread => In(thread, 7, _ => [Field.Of(1, 0x7F00_0000_1000), Field.Of(2, size), Field.Of(3, 0)])));
    }

    private static byte[] ChangeXsave(byte[] image, Func<List<Field>, IEnumerable<Field>> change) =>
        Change(image, core => In(core, 2, thread => In(thread, 3, fpregs => In(fpregs, 13, change))));

    private static byte[] Change(byte[] image, Func<List<Field>, IEnumerable<Field>> change)
    {
        int length = BitConverter.ToInt32(image, 8);
        byte[] message = Field.Write(change(Field.Read(image.AsSpan(HeaderLength, length))));
        return [.. image[..8], .. BitConverter.GetBytes(message.Length), .. message, .. image[(HeaderLength + length)..]];
    }

    // The message in a field, changed; the message is added where there is none.
    private static IEnumerable<Field> In(List<Field> fields, int number, Func<List<Field>, IEnumerable<Field>> change)
    {
        bool found = fields.Exists(field => field.Number == number);
        foreach (Field field in found ? fields : [.. fields, Field.Of(number, [])])
        {
            yield return field.Number == number ? Field.Of(number, change(Field.Read(field.Bytes))) : field;
        }
    }

    // Protocol Buffers: a varint (0), 64 bits (1), bytes behind a length (2) or 32 bits (5).
    private sealed record Field(int Number, int Wire, ulong Value, byte[] Bytes)
    {
        public static Field Of(int number, ulong value) => new(number, 0, value, []);

        public static Field Of(int number, IEnumerable<Field> message) => new(number, 2, 0, Write(message));

        public static List<Field> Read(ReadOnlySpan<byte> message)
        {
            List<Field> fields = [];
            int at = 0;
            while (at < message.Length)
            {
                ulong key = Varint(message, ref at);
                int wire = (int)(key & 7);
                ulong value = wire is 0 or 2 ? Varint(message, ref at) : 0;
                int length = wire switch { 1 => 8, 2 => (int)value, 5 => 4, _ => 0 };
                fields.Add(new Field((int)(key >> 3), wire, value, message.Slice(at, length).ToArray()));
                at += length;
            }

            return fields;
        }

        public static byte[] Write(IEnumerable<Field> fields)
        {
            List<byte> bytes = [];
            foreach (Field field in fields)
            {
                AddVarint(bytes, (ulong)field.Number << 3 | (uint)field.Wire);
                if (field.Wire is 0 or 2)
                {
                    AddVarint(bytes, field.Wire == 0 ? field.Value : (ulong)field.Bytes.Length);
                }

                bytes.AddRange(field.Bytes);
            }

            return [.. bytes];
        }

        private static ulong Varint(ReadOnlySpan<byte> bytes, ref int at)
        {
            ulong value = 0;
            for (int shift = 0; ; shift += 7)
            {
                byte next = bytes[at++];
                value |= (ulong)(next & 0x7F) << shift;
                if (next < 0x80)
                {
                    return value;
                }
            }
        }

        private static void AddVarint(List<byte> bytes, ulong value)
        {
            for (; value >= 0x80; value >>= 7)
            {
                bytes.Add((byte)(value | 0x80));
            }

            bytes.Add((byte)value);
        }
    }
}
