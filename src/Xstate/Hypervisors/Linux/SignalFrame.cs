using System.Buffers.Binary;
using Xstate.Architecture;

namespace Xstate.Hypervisors.Linux;

/// <summary>What became of a sigreturn.</summary>
/// <param name="Killed">Whether the process gets SIGSEGV; its state is then initial.</param>
/// <param name="FxOnly">Whether only x87 and SSE were taken from the frame because its framing was not right.</param>
/// <param name="Why">Why it was killed.</param>
public readonly record struct SignalReturn(bool Killed, bool FxOnly, string? Why);

/// <summary>
/// The floating-point part of a signal frame: an area in the standard format, the kernel's description of it in the bytes for software (struct _fpx_sw_bytes), and a
/// second magic number behind it. Mutable, because it lies in the memory of the process.
/// </summary>
public sealed class SignalFrame
{
    /// <summary>FP_XSTATE_MAGIC1.</summary>
    public const uint Magic1Value = 0x4650_5853;

    /// <summary>FP_XSTATE_MAGIC2.</summary>
    public const uint Magic2Value = 0x4650_5845;

    private const int Magic1Offset = XsaveFormat.SoftwareOffset;
    private const int ExtendedSizeOffset = Magic1Offset + sizeof(uint);
    private const int XfeaturesOffset = ExtendedSizeOffset + sizeof(uint);
    private const int XstateSizeOffset = XfeaturesOffset + sizeof(ulong);
    private readonly int _length;

    internal SignalFrame(int length, StateComponentSet features, bool hasXsave)
    {
        _length = length;
        Bytes = new byte[hasXsave ? length + sizeof(uint) : length];
        if (hasXsave)
        {
            Seal(features);
        }
    }

    /// <summary>A frame as it lies in the memory of a process.</summary>
    /// <param name="bytes">512 bytes, and what they say follows.</param>
    public SignalFrame(byte[] bytes)
    {
        ArgumentNullException.ThrowIfNull(bytes);
        ArgumentOutOfRangeException.ThrowIfLessThan(bytes.Length, XsaveFormat.LegacyLength, nameof(bytes));
        Bytes = bytes;
        _length = bytes.Length - sizeof(uint);
    }

    /// <summary>The bytes.</summary>
    public byte[] Bytes { get; }

    /// <summary>magic1, without which only x87 and SSE are restored.</summary>
    public uint Magic1 { get => Read(Magic1Offset); set => Write(Magic1Offset, value); }

    /// <summary>extended_size: the area and the second magic number.</summary>
    public uint ExtendedSize { get => Read(ExtendedSizeOffset); set => Write(ExtendedSizeOffset, value); }

    /// <summary>xfeatures: what sigreturn restores; what is missing becomes initial.</summary>
    public StateComponentSet Xfeatures
    {
        get => new(BinaryPrimitives.ReadUInt64LittleEndian(Bytes.AsSpan(XfeaturesOffset)));
        set => BinaryPrimitives.WriteUInt64LittleEndian(Bytes.AsSpan(XfeaturesOffset), value.Bits);
    }

    /// <summary>xstate_size: where the second magic number is.</summary>
    public uint XstateSize { get => Read(XstateSizeOffset); set => Write(XstateSizeOffset, value); }

    /// <summary>XSTATE_BV of the area.</summary>
    public StateComponentSet XstateBv
    {
        get => new XsaveArea(Bytes).XstateBv;
        set => BinaryPrimitives.WriteUInt64LittleEndian(Bytes.AsSpan(XsaveFormat.XstateBvOffset), value.Bits);
    }

    internal void Seal(StateComponentSet features)
    {
        Magic1 = Magic1Value;
        ExtendedSize = (uint)(_length + sizeof(uint));
        Xfeatures = features;
        XstateSize = (uint)_length;
        Write(_length, Magic2Value);
    }

    /// <summary>Whether the framing is not what the kernel wrote, so that it restores the FXSAVE part only.</summary>
    /// <param name="allowed">The largest area that the task can have.</param>
    internal bool IsFxOnly(int allowed)
    {
        uint size = XstateSize;
        return Magic1 != Magic1Value
            || size < XsaveFormat.ExtendedOffset
            || size > allowed
            || size > ExtendedSize
            || size > Bytes.Length - sizeof(uint)
            || Read((int)size) != Magic2Value;
    }

    private uint Read(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(offset));

    private void Write(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(offset), value);
}
