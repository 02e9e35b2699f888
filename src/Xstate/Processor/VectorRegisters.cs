using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// Vector and mask registers of a <see cref="RegisterFile"/>, put together from the components that hold their parts: bits 127:0 are SSE,
/// 255:128 AVX, 511:256 ZMM_Hi256; registers 16 to 31 are whole in Hi16_ZMM.
/// </summary>
/// <threadsafety>One thread at a time, as the processor they belong to.</threadsafety>
public sealed class VectorRegisters
{
    private const int XmmLength = XsaveFormat.XmmLength;
    private const int UpperYmmLength = 16;
    private const int UpperZmmLength = 32;
    private const int ZmmLength = 64;
    private const int OpmaskLength = 8;

    private readonly RegisterFile _file;

    internal VectorRegisters(RegisterFile file)
    {
        _file = file;
    }

    /// <summary>
    /// Copies the 64 bytes of a ZMM register (0 to 31) to <paramref name="destination"/>; parts that the processor does not have read as
    /// zero.
    /// </summary>
    public void ReadZmm(int index, Span<byte> destination)
    {
        CheckIndex(index, 32);
        if (index >= 16)
        {
            Part(StateComponent.Hi16Zmm, index - 16, ZmmLength).CopyTo(destination);
            return;
        }

        Part(StateComponent.Sse, index, XmmLength).CopyTo(destination);
        Part(StateComponent.Avx, index, UpperYmmLength).CopyTo(destination[XmmLength..]);
        Part(StateComponent.ZmmHi256, index, UpperZmmLength).CopyTo(destination[(XmmLength + UpperYmmLength)..]);
    }

    /// <summary>Writes XMM (16 bytes, 0 to 15) as a legacy SSE instruction does: the upper bits stay.</summary>
    public void WriteXmm(int index, ReadOnlySpan<byte> value)
    {
        CheckLength(value, XmmLength);
        CheckIndex(index, 16);
        value.CopyTo(_file.Write(StateComponent.Sse)[(index * XmmLength)..]);
    }

    /// <summary>
    /// Writes XMM, YMM or ZMM (16, 32 or 64 bytes) as a VEX or EVEX instruction does: the bits above are zeroed, and every component that
    /// holds a part of the register counts as modified (measured on AMD family 25).
    /// </summary>
    public void WriteExtended(int index, ReadOnlySpan<byte> value)
    {
        if (value.Length is not (XmmLength or XmmLength + UpperYmmLength or ZmmLength))
        {
            throw new ArgumentException($"a vector register has 16, 32 or 64 bytes, not {value.Length}", nameof(value));
        }

        CheckIndex(index, 32);
        Span<byte> whole = stackalloc byte[ZmmLength];
        whole.Clear();
        value.CopyTo(whole);
        if (index >= 16)
        {
            whole.CopyTo(WritePart(StateComponent.Hi16Zmm, index - 16, ZmmLength));
            return;
        }

        Store(StateComponent.Sse, index, whole[..XmmLength]);
        Store(StateComponent.Avx, index, whole.Slice(XmmLength, UpperYmmLength));
        Store(StateComponent.ZmmHi256, index, whole[(XmmLength + UpperYmmLength)..]);
    }

    /// <summary>An opmask register, k0 to k7.</summary>
    public ulong ReadOpmask(int index)
    {
        CheckIndex(index, 8);
        return BinaryPrimitives.ReadUInt64LittleEndian(Part(StateComponent.Opmask, index, OpmaskLength));
    }

    /// <summary>Writes an opmask register, k0 to k7.</summary>
    public void WriteOpmask(int index, ulong value)
    {
        CheckIndex(index, 8);
        BinaryPrimitives.WriteUInt64LittleEndian(WritePart(StateComponent.Opmask, index, OpmaskLength), value);
    }

    /// <summary>
    /// VZEROUPPER: bits 511:128 of registers 0 to 15 become zero (0 to 7 outside 64-bit mode). Processors that track by history may clear
    /// XINUSE for whole components here; AVX and ZMM_Hi256 become initial, opmask and Hi16_ZMM stay (measured on AMD family 25).
    /// </summary>
    public void ZeroUpper(bool is64BitMode)
    {
        ClearUpper(StateComponent.Avx, is64BitMode);
        ClearUpper(StateComponent.ZmmHi256, is64BitMode);
    }

    private static void CheckIndex(int index, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
    }

    private static void CheckLength(ReadOnlySpan<byte> value, int length)
    {
        if (value.Length != length)
        {
            throw new ArgumentException($"the register has {length} bytes, not {value.Length}", nameof(value));
        }
    }

    private ReadOnlySpan<byte> Part(StateComponent component, int index, int length) =>
        _file.Read(component).Slice(index * length, length);

    private Span<byte> WritePart(StateComponent component, int index, int length) => _file.Write(component).Slice(index * length, length);

    private void Store(StateComponent component, int index, ReadOnlySpan<byte> part) =>
        part.CopyTo(WritePart(component, index, part.Length));

    private void ClearUpper(StateComponent component, bool is64BitMode)
    {
        if (is64BitMode)
        {
            _file.Initialize(StateComponentSet.Of(component));
        }
        else
        {
            Span<byte> bytes = _file.Write(component);
            bytes[..(bytes.Length / 2)].Clear();
        }
    }
}
