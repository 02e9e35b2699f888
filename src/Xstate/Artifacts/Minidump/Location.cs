using System.Buffers.Binary;

namespace Xstate.Artifacts.Minidump;

/// <summary>MINIDUMP_LOCATION_DESCRIPTOR: where some bytes of the file are.</summary>
/// <param name="Offset">From the start of the file.</param>
/// <param name="Length">How many.</param>
internal readonly record struct Location(long Offset, long Length)
{
    /// <summary>Bytes of the structure.</summary>
    public const int Size = 2 * sizeof(uint);

    /// <summary>Reads DataSize and Rva.</summary>
    public static Location Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt32LittleEndian(bytes[sizeof(uint)..]), BinaryPrimitives.ReadUInt32LittleEndian(bytes));
}
