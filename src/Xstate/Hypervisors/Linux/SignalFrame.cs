using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Findings;

namespace Xstate.Hypervisors.Linux;

/// <summary>What became of a sigreturn.</summary>
/// <param name="Killed">Whether the process gets SIGSEGV; its state is then initial.</param>
/// <param name="FxOnly">Whether only x87 and SSE were taken from the frame because its framing was not right.</param>
/// <param name="Why">Why it was killed, or which part of the frame was silently left out; from a model only.</param>
internal readonly record struct SignalReturn(bool Killed, bool FxOnly, Refusal? Why);

/// <summary>
/// The floating-point part of a signal frame: an area in the standard format, the kernel's description of it in the bytes for software
/// (struct _fpx_sw_bytes), and a second magic number behind it. Mutable, because it lies in the memory of the process.
/// </summary>
internal sealed class SignalFrame
{
    /// <summary>FP_XSTATE_MAGIC1.</summary>
    public const uint Magic1Value = 0x4650_5853;

    /// <summary>FP_XSTATE_MAGIC2.</summary>
    public const uint Magic2Value = 0x4650_5845;

    private const int Magic1Offset = XsaveFormat.SoftwareOffset;
    private const int ExtendedSizeOffset = Magic1Offset + sizeof(uint);
    internal const int XfeaturesOffset = ExtendedSizeOffset + sizeof(uint);
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
        set => new XsaveAreaWriter(Bytes).WriteXstateBv(value);
    }

    internal void Seal(StateComponentSet features)
    {
        Magic1 = Magic1Value;
        ExtendedSize = (uint)(_length + sizeof(uint));
        Xfeatures = features;
        XstateSize = (uint)_length;
        Write(_length, Magic2Value);
    }

    /// <summary>
    /// Why the kernel takes x87 and SSE only: its description of the frame is not what it wrote. Null when it takes all that the frame
    /// lists.
    /// </summary>
    /// <param name="allowed">The largest area that the task can have (<c>user_size</c>).</param>
    /// <param name="atHostSize">Whether the second magic number is looked for there, whatever the frame says (SIG-FRAME-HOST-SIZE).</param>
    internal Refusal? CheckFraming(int allowed, bool atHostSize)
    {
        uint size = XstateSize;
        if (Magic1 != Magic1Value)
        {
            return Unframed(Rules.FrameReadAsFxsave, Magic1Offset, "magic1", Magic1, $"0x{Magic1Value:x}");
        }

        if (atHostSize)
        {
            return HasMagic2At(allowed) ? null
                : size < allowed && HasMagic2At((int)size) ? Smaller(size, allowed)
                : Unframed(Rules.FrameReadAsFxsave, allowed, "magic2", Magic2At(allowed), $"0x{Magic2Value:x}");
        }

        if (size < XsaveFormat.ExtendedOffset || size > allowed)
        {
            return Unframed(Rules.FrameReadAsFxsave, XstateSizeOffset, "xstate_size", size, $"{XsaveFormat.ExtendedOffset} to {allowed}");
        }

        return size > ExtendedSize ? Unframed(Rules.FrameReadAsFxsave, ExtendedSizeOffset, "extended_size", ExtendedSize,
            $"at least xstate_size {size}")
            : HasMagic2At((int)size) ? null
            : Unframed(Rules.FrameReadAsFxsave, (int)size, "magic2", Magic2At((int)size), $"0x{Magic2Value:x}");
    }

    private static Refusal Unframed(Rule rule, int offset, string field, uint? found, string expected)
    {
        string text = found is not { } value ? "not in the frame" : field.StartsWith("magic", StringComparison.Ordinal)
            ? $"0x{value:x}" : $"{value}";
        return new Refusal(rule, null,
            $"{field} at byte {offset} is {text}, not {expected}: x87 and SSE only are taken, everything else becomes initial")
        {
            Offset = offset,
            Found = text,
            Expected = expected,
        };
    }

    private static Refusal Smaller(uint size, int allowed) =>
        new(Rules.FrameSmallerThanHosts, KernelDifference.SignalFrameHostSize,
            $"the frame has {size} bytes, and this kernel looks for magic2 at its own {allowed}: x87 and SSE only are taken, everything "
            + "else becomes initial")
        {
            Offset = XstateSizeOffset,
            Found = $"{size} bytes",
            Expected = $"{allowed} bytes",
        };

    private bool HasMagic2At(int offset) => Magic2At(offset) == Magic2Value;

    // Behind the frame lies what the process has there, which nobody has put a magic number into.
    private uint? Magic2At(int offset) => offset <= Bytes.Length - sizeof(uint) ? Read(offset) : null;

    private uint Read(int offset) => BinaryPrimitives.ReadUInt32LittleEndian(Bytes.AsSpan(offset));

    private void Write(int offset, uint value) => BinaryPrimitives.WriteUInt32LittleEndian(Bytes.AsSpan(offset), value);
}
