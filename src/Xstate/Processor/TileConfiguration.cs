using System.Buffers.Binary;

namespace Xstate.Processor;

/// <summary>The memory form of TILECFG (SDM Vol. 2A, LDTILECFG): palette, start row, and columns and rows of eight tiles.</summary>
internal static class TileConfiguration
{
    private const int ReservedOffset = 2;
    private const int ColumnsOffset = 16;
    private const int TileCount = 8;
    private const int RowsOffset = 48;
    private const int MaxColumnBytes = 64;
    private const int MaxRows = 16;

    /// <summary>
    /// Whether LDTILECFG would accept the value with the one palette that exists. Palette 0 stands for "not configured". Any start row is
    /// accepted, although a tile has
    /// 16 rows at most (measured on an Intel Xeon with AMX, LDTILECFG and XRSTOR).
    /// </summary>
    public static bool IsSupported(ReadOnlySpan<byte> bytes)
    {
        if (bytes[0] != 1 || bytes[ReservedOffset..ColumnsOffset].ContainsAnyExcept((byte)0)
            || bytes[(ColumnsOffset + (TileCount * sizeof(ushort)))..RowsOffset].ContainsAnyExcept((byte)0)
            || bytes[(RowsOffset + TileCount)..].ContainsAnyExcept((byte)0))
        {
            return false;
        }

        for (int tile = 0; tile < TileCount; tile++)
        {
            int columns = BinaryPrimitives.ReadUInt16LittleEndian(bytes[(ColumnsOffset + (tile * sizeof(ushort)))..]);
            int rows = bytes[RowsOffset + tile];
            if (columns > MaxColumnBytes || rows > MaxRows || (columns == 0) != (rows == 0))
            {
                return false;
            }
        }

        return true;
    }
}
