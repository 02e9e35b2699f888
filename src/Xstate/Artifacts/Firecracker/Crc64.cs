namespace Xstate.Artifacts.Firecracker;

/// <summary>
/// CRC-64 with the Jones polynomial AD93D23594C935A9, reflected, starting at zero, without a final exclusive or. A file that ends with the
/// value of what is before has the value 0.
/// </summary>
internal static class Crc64
{
    private const ulong ReflectedPolynomial = 0x95AC_9329_AC4B_C9B5;
    private static readonly ulong[] Table = MakeTable();

    /// <summary>The value of some bytes.</summary>
    /// <param name="bytes">The bytes.</param>
    /// <param name="crc">The value of what is before them.</param>
    public static ulong Of(ReadOnlySpan<byte> bytes, ulong crc = 0)
    {
        ulong[] table = Table;
        foreach (byte value in bytes)
        {
            crc = table[(byte)(crc ^ value)] ^ crc >> 8;
        }

        return crc;
    }

    private static ulong[] MakeTable()
    {
        ulong[] table = new ulong[256];
        for (int i = 0; i < table.Length; i++)
        {
            ulong value = (ulong)i;
            for (int bit = 0; bit < 8; bit++)
            {
                value = (value & 1) != 0 ? value >> 1 ^ ReflectedPolynomial : value >> 1;
            }

            table[i] = value;
        }

        return table;
    }
}
