using System.Buffers.Binary;
using System.Numerics;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>
/// What came of a case, as the image in Bochs notes it and as the model does: registers, a standard image of all components, then the
/// case's memory.
/// </summary>
internal static class BochsResult
{
    public const int VectorOffset = 0;
    public const int ErrorOffset = 8;
    public const int Cr2Offset = 16;
    public const int RaxOffset = 24;
    public const int RdxOffset = 32;
    public const int RcxOffset = 40;
    public const int Cr0Offset = 48;
    public const int Cr4Offset = 56;
    public const int EferOffset = 64;
    public const int Xcr0Offset = 72;
    public const int InUseOffset = 80;
    public const int AllInUseOffset = 88;
    public const int RipOffset = 96;
    public const int MsrOffset = 104;
    public const int ImageOffset = 0x100;
    public const int ImageLength = 2752;
    public const int Length = ImageOffset + ImageLength;

    /// <summary>The vector of a case that came back through the ROM.</summary>
    public const int InitVector = 0xFF;

    /// <summary>The vector of a case that went to its end.</summary>
    public const int EndVector = 0x80;

    /// <summary>IA32_XSS and the MSRs of CET that components hold.</summary>
    public static uint[] Msrs { get; } = [0xDA0, 0x6A0, 0x6A4, 0x6A5, 0x6A6, 0x6A7];

    private static readonly (int Offset, string Name)[] Names =
    [
        (VectorOffset, "vector"), (ErrorOffset, "error code"), (Cr2Offset, "CR2"), (RaxOffset, "RAX"), (RdxOffset, "RDX"),
        (RcxOffset, "RCX"), (Cr0Offset, "CR0"), (Cr4Offset, "CR4"), (EferOffset, "EFER"), (Xcr0Offset, "XCR0"), (InUseOffset, "XGETBV(1)"),
            (AllInUseOffset, "XINUSE"), (RipOffset, "RIP"),
        .. Msrs.Select((msr, i) => (MsrOffset + (i * 8), $"MSR {msr:X}")),
    ];

    /// <summary>The checksum as the image makes it.</summary>
    public static uint Checksum(ReadOnlySpan<byte> result)
    {
        uint sum = 0;
        for (; !result.IsEmpty; result = result[sizeof(ulong)..])
        {
            sum = BitOperations.Crc32C(sum, BinaryPrimitives.ReadUInt64LittleEndian(result));
        }

        return sum;
    }

    /// <summary>The differences between two results, in words; empty when there is none.</summary>
    public static string Difference(ReadOnlySpan<byte> model, ReadOnlySpan<byte> bochs)
    {
        List<string> differences = [];
        foreach ((int offset, string name) in Names)
        {
            ulong ours = BinaryPrimitives.ReadUInt64LittleEndian(model[offset..]);
            ulong theirs = BinaryPrimitives.ReadUInt64LittleEndian(bochs[offset..]);
            if (ours != theirs)
            {
                differences.Add($"{name} {theirs:x}, model {ours:x}");
            }
        }

        Bytes("image", model[ImageOffset..Length], bochs[ImageOffset..Length], differences);
        Bytes("memory", model[Length..], bochs[Length..], differences);
        return string.Join("; ", differences);
    }

    // The first run of bytes that differ.
    private static void Bytes(string what, ReadOnlySpan<byte> model, ReadOnlySpan<byte> bochs, List<string> differences)
    {
        int at = model.CommonPrefixLength(bochs);
        if (at < model.Length)
        {
            int length = Math.Min(16, model.Length - at);
            string theirs = Convert.ToHexString(bochs.Slice(at, length));
            string ours = Convert.ToHexString(model.Slice(at, length));
            differences.Add($"{what} byte {at}: {theirs}, model {ours}");
        }
    }
}
