using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Artifacts.ElfCore;

/// <summary>
/// The x87 state as FSAVE stores it (SDM Vol. 1, 8.1.10) and i386 cores keep it in NT_FPREGSET: seven double words, then eight registers of
/// ten bytes, top of stack first.
/// </summary>
internal static class FsaveImage
{
    public const int Length = EnvironmentLength + (Registers * XsaveFormat.StLength);

    private const int EnvironmentLength = 7 * sizeof(uint);
    private const int Registers = 8;
    private const int TagOffset = 8;
    private const int FipOffset = 12;
    private const int FcsOffset = 16;
    private const int FopOffset = 18;
    private const int FdpOffset = 20;
    private const int EmptyTag = 3;

    /// <summary>Writes the x87 part of an XSAVE area from the image.</summary>
    public static void ToArea(ReadOnlySpan<byte> image, Span<byte> area)
    {
        image[..2].CopyTo(area[XsaveFormat.FcwOffset..]);
        image.Slice(4, 2).CopyTo(area[XsaveFormat.FswOffset..]);
        int tags = BinaryPrimitives.ReadUInt16LittleEndian(image[TagOffset..]);
        byte abridged = 0;
        for (int i = 0; i < Registers; i++)
        {
            abridged |= (byte)((tags >> (2 * i) & EmptyTag) == EmptyTag ? 0 : 1 << i);
        }

        area[XsaveFormat.FtwOffset] = abridged;
        image.Slice(FopOffset, 2).CopyTo(area[XsaveFormat.FopOffset..]);
        image.Slice(FipOffset, 4).CopyTo(area[XsaveFormat.FipOffset..]);
        image.Slice(FdpOffset, 4).CopyTo(area[XsaveFormat.FdpOffset..]);
        for (int i = 0; i < Registers; i++)
        {
            image.Slice(EnvironmentLength + (i * XsaveFormat.StLength), XsaveFormat.StLength)
                .CopyTo(area[(XsaveFormat.StOffset + (i * XsaveFormat.StSlotLength))..]);
        }
    }

    /// <summary>
    /// Brings an image up to the x87 part of an area. Selectors and the reserved halves of the words stay: the area does not have them.
    /// </summary>
    public static void FromArea(ReadOnlySpan<byte> area, Span<byte> image)
    {
        area.Slice(XsaveFormat.FcwOffset, 2).CopyTo(image);
        area.Slice(XsaveFormat.FswOffset, 2).CopyTo(image[4..]);
        BinaryPrimitives.WriteUInt16LittleEndian(image[TagOffset..], Tags(area));
        area.Slice(XsaveFormat.FopOffset, 2).CopyTo(image[FopOffset..]);
        area.Slice(XsaveFormat.FipOffset, 4).CopyTo(image[FipOffset..]);
        area.Slice(XsaveFormat.FdpOffset, 4).CopyTo(image[FdpOffset..]);
        for (int i = 0; i < Registers; i++)
        {
            area.Slice(XsaveFormat.StOffset + (i * XsaveFormat.StSlotLength), XsaveFormat.StLength)
                .CopyTo(image[(EnvironmentLength + (i * XsaveFormat.StLength))..]);
        }
    }

    /// <summary>Whether image and area hold the same x87 registers, control, status and tags.</summary>
    public static bool Agrees(ReadOnlySpan<byte> image, ReadOnlySpan<byte> area)
    {
        Span<byte> there = stackalloc byte[Length];
        image.CopyTo(there);
        FromArea(area, there);

        // Tags of full registers follow from their contents; what counts is which are empty, and for that both go through the area's form.
        Span<byte> back = stackalloc byte[XsaveFormat.LegacyLength];
        ToArea(image, back);
        return back[XsaveFormat.FtwOffset] == area[XsaveFormat.FtwOffset]
            && image[..TagOffset].SequenceEqual(there[..TagOffset])
            && image[EnvironmentLength..].SequenceEqual(there[EnvironmentLength..]);
    }

    // Two bits for each physical register (SDM Vol. 1, 8.1.7): valid, zero, special, empty. ST(i) is physical register TOP + i.
    private static ushort Tags(ReadOnlySpan<byte> area)
    {
        int top = BinaryPrimitives.ReadUInt16LittleEndian(area[XsaveFormat.FswOffset..]) >> 11 & 7;
        int tags = 0;
        for (int physical = 0; physical < Registers; physical++)
        {
            ReadOnlySpan<byte> register = area.Slice(XsaveFormat.StOffset + (((physical - top) & 7) * XsaveFormat.StSlotLength),
                XsaveFormat.StLength);
            int tag = (area[XsaveFormat.FtwOffset] >> physical & 1) == 0 ? EmptyTag : TagOf(register);
            tags |= tag << (2 * physical);
        }

        return (ushort)tags;
    }

    private static int TagOf(ReadOnlySpan<byte> register)
    {
        ulong significand = BinaryPrimitives.ReadUInt64LittleEndian(register);
        int exponent = BinaryPrimitives.ReadUInt16LittleEndian(register[8..]) & 0x7FFF;
        bool normal = exponent is not (0 or 0x7FFF) && significand >> 63 != 0;
        return normal ? 0 : exponent == 0 && significand == 0 ? 1 : 2;
    }
}
