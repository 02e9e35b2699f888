using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>
/// Random scenarios on a traced child: debugger's reads and writes, signals with damaged frames, and the child's own instructions. Valid
/// and hostile; never one that could harm the host. Few close key 0, the key of all memory of the child: from then on its own instructions
/// answer a page fault only.
/// </summary>
internal sealed class ProcessScenarioGenerator
{
    private const int MinSteps = 3;
    private const int MaxSteps = 10;
    private const int OpenKeyMask = 3;
    private const uint AvxEnd = 832;

    private readonly XsaveLayout _layout;
    private readonly StateComponentSet _components;
    private readonly uint _mxcsrMask;
    private readonly int _regsetLength;
    private readonly ImmutableArray<string> _readable;

    /// <summary>A generator for one host.</summary>
    /// <param name="layout">Its layout.</param>
    /// <param name="enabled">The user components that its kernel enables.</param>
    /// <param name="mxcsrMask">MXCSR bits of the processor.</param>
    public ProcessScenarioGenerator(XsaveLayout layout, StateComponentSet enabled, uint mxcsrMask)
    {
        ArgumentNullException.ThrowIfNull(layout);
        _layout = layout;
        _components = (enabled & layout.UserComponents).Without(StateComponent.TileData);
        _mxcsrMask = mxcsrMask;
        _regsetLength = layout.StandardLengthFor(enabled & layout.UserComponents);
        List<string> readable = ["xcr0", "mxcsr", "fcw", "fsw", "ftw", "st0", "st7", "xmm0", "xmm15"];
        AddReadable(StateComponent.Avx, "ymm1", "ymm14");
        AddReadable(StateComponent.BndRegs, "bnd0");
        AddReadable(StateComponent.Opmask, "k0", "k7");
        AddReadable(StateComponent.ZmmHi256, "zmm3");
        AddReadable(StateComponent.Hi16Zmm, "zmm16", "zmm31");

        // Twice, so that it is set twice as often.
        AddReadable(StateComponent.Pkru, "pkru", "pkru");
        _readable = [.. readable];

        void AddReadable(StateComponent component, params ReadOnlySpan<string> names)
        {
            if (_components.Contains(component))
            {
                readable.AddRange(names);
            }
        }
    }

    /// <summary>The scenario of a seed, as one line of JSON: always the same on the same host.</summary>
    public string Make(ulong seed)
    {
        SplitMix64 random = new(seed);
        int count = MinSteps + random.Below(MaxSteps - MinSteps + 1);
        using MemoryStream output = new();
        using (Utf8JsonWriter json = new(output))
        {
            json.WriteStartObject();
            json.WriteString("name", string.Create(CultureInfo.InvariantCulture, $"process-0x{seed:x}"));
            json.WriteStartArray("steps");
            for (int i = 0; i < count; i++)
            {
                json.WriteStartObject();
                WriteStep(json, ref random);
                json.WriteEndObject();
            }

            // Whatever was done last is looked at.
            json.WriteStartObject();
            json.WriteString("op", "ptrace_get");
            json.WriteString("regset", "xstate");
            json.WriteEndObject();
            json.WriteEndArray();
            json.WriteEndObject();
        }

        return Encoding.UTF8.GetString(output.ToArray());
    }

    private void WriteStep(Utf8JsonWriter json, ref SplitMix64 random)
    {
        switch (random.Below(12))
        {
            case 0 or 1:
                json.WriteString("op", "ptrace_get");
                json.WriteString("regset", "xstate");
                WriteReadLength(json, ref random, _regsetLength);
                break;
            case 2:
                json.WriteString("op", "ptrace_get");
                json.WriteString("regset", "fpregs");
                WriteReadLength(json, ref random, XsaveFormat.LegacyLength);
                break;
            case 3 or 4 or 5:
                json.WriteString("op", "ptrace_set");
                json.WriteString("regset", "xstate");
                WriteParts(json, ref random);
                WriteLength(json, ref random, _regsetLength);
                break;
            case 6:
                json.WriteString("op", "ptrace_set");
                json.WriteString("regset", "fpregs");
                WriteMxcsr(json, ref random);
                WriteBytes(json, XsaveFormat.StOffset, Stack(ref random), "bytes");
                WriteLength(json, ref random, XsaveFormat.LegacyLength);
                break;
            case 7 or 8 or 9:
                json.WriteString("op", "signal_roundtrip");
                WriteFraming(json, ref random, hasBytes: WriteParts(json, ref random));
                break;
            default:
                WriteChild(json, ref random);
                break;
        }
    }

    // Parts are laid over what is there; what a part does not name stays. Tells whether bytes are among them.
    private bool WriteParts(Utf8JsonWriter json, ref SplitMix64 random)
    {
        bool ownBits = !random.OneIn(4);
        bool hasBytes = false;
        if (ownBits)
        {
            ulong bits = random.Below(10) switch
            {
                < 4 => random.Next() & _components.Bits,
                < 7 => _components.Bits,
                7 => 0,
                8 => (random.Next() & _components.Bits) | ForeignBit(ref random),
                _ => random.Next() & _components.Bits & 0xFF,
            };
            json.WriteString("xstateBv", CallJson.Hex(bits));
        }

        WriteMxcsr(json, ref random);
        if (random.OneIn(3))
        {
            json.WriteString("fcw", CallJson.Hex(ControlWord(ref random)));
        }

        if (random.OneIn(15))
        {
            // Compacted with few components: in the other format the places of all others hold other bytes, and none of them may become a
            // configuration of bounds or tiles.
            ulong xcompBv = random.Pick(1UL, XsaveFormat.CompactedFlag, XsaveFormat.CompactedFlag | (_components.Bits & 7));
            json.WriteString("xcompBv", CallJson.Hex(xcompBv));
        }
        else if (random.OneIn(15))
        {
            WriteBytes(json, XsaveFormat.ReservedHeaderOffset + random.Below(XsaveFormat.ReservedHeaderLength),
                [(byte)(1 << random.Below(8))], "bytes");
            hasBytes = true;
        }

        json.WriteStartObject("components");
        foreach (StateComponent component in _components)
        {
            // Bit 9 as it is there may be undecided while PKRU is 0 (ScenarioDifferential.Undecided): another value goes only with a bit of
            // its own.
            if (random.OneIn(3) && (ownBits || component != StateComponent.Pkru) && Bytes(component, ref random) is { } bytes)
            {
                json.WriteString(StateComponents.NameOf(component), Convert.ToHexStringLower(bytes));
            }
        }

        json.WriteEndObject();
        return hasBytes;
    }

    // A configuration of tiles or of bounds that the processor does not know would fault in the kernel's own XRSTOR, and MPX turned on
    // would change what branches do.
    private byte[]? Bytes(StateComponent component, ref SplitMix64 random)
    {
        if (component is StateComponent.X87)
        {
            return Environment(ref random);
        }

        if (component is StateComponent.BndCsr or StateComponent.TileCfg or StateComponent.Lwp)
        {
            return null;
        }

        int size = component == StateComponent.Sse ? XsaveFormat.XmmEnd - XsaveFormat.XmmOffset : _layout.TryGetSlot(component,
            out XsaveSlot slot) ? slot.Size : 0;
        byte[] bytes = new byte[size];
        if (!random.OneIn(6))
        {
            random.Fill(bytes);
        }

        if (component == StateComponent.Pkru)
        {
            bytes.AsSpan(sizeof(uint)).Clear();
            bytes[0] &= KeyMask(ref random);
        }

        return bytes;
    }

    // Most values leave key 0 open.
    private static byte KeyMask(ref SplitMix64 random) => random.OneIn(8) ? (byte)0xFF : unchecked((byte)~OpenKeyMask);

    private void WriteMxcsr(Utf8JsonWriter json, ref SplitMix64 random)
    {
        if (random.OneIn(2))
        {
            uint mxcsr = random.Below(8) switch
            {
                0 => Mxcsr.Initial,
                < 7 => (uint)random.Next() & _mxcsrMask,
                _ => ((uint)random.Next() & _mxcsrMask) | 1u << random.Below(32),
            };
            json.WriteString("mxcsr", CallJson.Hex(mxcsr));
        }
    }

    private void WriteFraming(Utf8JsonWriter json, ref SplitMix64 random, bool hasBytes)
    {
        switch (random.Below(14))
        {
            case 0:
                json.WriteString("magic1", CallJson.Hex(random.OneIn(2) ? 0 : (uint)random.Next()));
                break;
            case 1:
                json.WriteString("extendedSize", CallJson.Hex(random.Pick(0u, 512u, 576u, (uint)_regsetLength, 0xFFFF_FFFFu)));
                break;
            case 2 or 3:
                json.WriteString("xfeatures", CallJson.Hex(random.Next() & _components.Bits));
                break;
            case 4:
                WriteOtherSize(json, ref random, hasBytes);
                break;
            case 5 or 6 when !hasBytes:
                MoveMagic2(json, ref random);
                break;
            default:
                break;
        }
    }

    // Where Intel's layout has the hole of MPX a frame keeps what an earlier one on the same stack had there, so that the end after AVX is
    // written out.
    private void WriteOtherSize(Utf8JsonWriter json, ref SplitMix64 random, bool hasBytes)
    {
        uint size = random.Pick(0u, 512u, 576u, AvxEnd, (uint)_regsetLength, (uint)_regsetLength + 8, 0xFFFF_FFFFu);
        size = size == AvxEnd && hasBytes ? 576u : size;
        json.WriteString("xstateSize", CallJson.Hex(size));
        if (size == AvxEnd)
        {
            json.WriteStartObject("bytes");
            json.WriteString(AvxEnd.ToString(CultureInfo.InvariantCulture), "00000000");
            json.WriteEndObject();
        }
    }

    // A frame as CRIU makes it of a thread with AVX, or one that ends in both places. The end may lie in another component's bytes, which
    // is as good a value as any.
    private void MoveMagic2(Utf8JsonWriter json, ref SplitMix64 random)
    {
        json.WriteString("xstateSize", CallJson.Hex(AvxEnd));
        json.WriteStartObject("bytes");
        json.WriteString(AvxEnd.ToString(CultureInfo.InvariantCulture), "45585046");
        if (random.OneIn(2) && AvxEnd < _regsetLength)
        {
            json.WriteString(_regsetLength.ToString(CultureInfo.InvariantCulture), "00000000");
        }

        json.WriteEndObject();
    }

    // Not between XSTATE_BV and PKRU: whether bit 9 is decided (ScenarioDifferential.Undecided) depends on its value.
    private static void WriteReadLength(Utf8JsonWriter json, ref SplitMix64 random, int whole)
    {
        if (random.OneIn(8))
        {
            json.WriteNumber("length", random.Pick(0, 8, 511, XsaveFormat.LegacyLength, whole - 1, whole + 1, whole + 8, whole + 64));
        }
    }

    private static void WriteLength(Utf8JsonWriter json, ref SplitMix64 random, int whole)
    {
        if (random.OneIn(8))
        {
            json.WriteNumber("length", Math.Max(0, random.Pick(0, 8, 511, XsaveFormat.LegacyLength, XsaveFormat.ExtendedOffset, whole - 8,
                whole - 1, whole + 1, whole + 8, whole + 64)));
        }
    }

    // Only what the registers hold: the kernel gives other bytes back as they were written until the processor writes them anew, and when
    // it does so, XSAVES may choose (SDM Vol. 1, 13.6).
    private static ushort ControlWord(ref SplitMix64 random) => (ushort)((random.Next() & 0x1F3F) | 0x40);

    // Without pending exceptions, and so without the pointers that AMD's processors drop then.
    private static ushort StatusWord(ref SplitMix64 random) => (ushort)(random.Next() & 0x7F00);

    private static byte[] Environment(ref SplitMix64 random)
    {
        byte[] environment = new byte[XsaveFormat.MxcsrOffset];
        BinaryPrimitives.WriteUInt16LittleEndian(environment, ControlWord(ref random));
        BinaryPrimitives.WriteUInt16LittleEndian(environment.AsSpan(XsaveFormat.FswOffset), StatusWord(ref random));
        environment[XsaveFormat.FtwOffset] = (byte)random.Next();
        return environment;
    }

    private static byte[] Stack(ref SplitMix64 random)
    {
        byte[] bytes = new byte[XsaveFormat.XmmEnd - XsaveFormat.StOffset];
        random.Fill(bytes);
        for (int i = 0; i < 8; i++)
        {
            bytes.AsSpan((i * XsaveFormat.StSlotLength) + XsaveFormat.StLength, XsaveFormat.StSlotLength - XsaveFormat.StLength).Clear();
        }

        return bytes;
    }

    private static void WriteBytes(Utf8JsonWriter json, int offset, byte[] bytes, string name)
    {
        json.WriteStartObject(name);
        json.WriteString(offset.ToString(CultureInfo.InvariantCulture), Convert.ToHexStringLower(bytes));
        json.WriteEndObject();
    }

    private void WriteChild(Utf8JsonWriter json, ref SplitMix64 random)
    {
        json.WriteString("op", "child");
        if (!random.OneIn(3))
        {
            json.WriteStartObject("set");
            HashSet<string> named = [];
            for (int count = 1 + random.Below(3); count > 0; count--)
            {
                string register = random.Pick<string>([.. _readable]);
                if (register != "xcr0" && named.Add(register))
                {
                    json.WriteString(register, Value(register, ref random));
                }
            }

            json.WriteEndObject();
        }

        json.WriteStartArray("get");
        foreach (string register in _readable.Distinct())
        {
            json.WriteStringValue(register);
        }

        json.WriteEndArray();
    }

    private string Value(string register, ref SplitMix64 random)
    {
        if (register == "mxcsr")
        {
            return CallJson.Hex(random.OneIn(8) ? (uint)random.Next() : (uint)random.Next() & _mxcsrMask);
        }

        if (register is "fcw" or "fsw")
        {
            return CallJson.Hex(register == "fcw" ? ControlWord(ref random) : StatusWord(ref random));
        }

        int length = register switch
        {
            "ftw" => 1,
            "pkru" => 4,
            _ when register[0] == 'k' => 8,
            _ when register.StartsWith("st", StringComparison.Ordinal) => 10,
            _ when register[0] is 'x' or 'b' => 16,
            _ when register[0] == 'y' => 32,
            _ => 64,
        };
        byte[] bytes = new byte[length];
        if (!random.OneIn(5))
        {
            random.Fill(bytes);
        }

        if (length > sizeof(ulong))
        {
            return Convert.ToHexStringLower(bytes);
        }

        byte[] value = new byte[sizeof(ulong)];
        bytes.CopyTo(value, 0);
        value[0] &= register == "pkru" ? KeyMask(ref random) : (byte)0xFF;
        return CallJson.Hex(BinaryPrimitives.ReadUInt64LittleEndian(value));
    }

    // Bits that no task has; tile data is left alone.
    private ulong ForeignBit(ref SplitMix64 random)
    {
        StateComponent foreign = (StateComponent)random.Below(64);
        return _components.Contains(foreign) || foreign is StateComponent.TileData or StateComponent.TileCfg ? 0 : 1UL << (int)foreign;
    }
}
