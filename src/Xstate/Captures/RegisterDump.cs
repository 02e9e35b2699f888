using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>One register by name, as the tool prints it.</summary>
/// <param name="Name">Lower-case name: <c>mxcsr</c>, <c>st0</c>, <c>zmm3</c>, <c>pkru</c>.</param>
/// <param name="Component">The component it belongs to; a vector register belongs to the one that makes it widest.</param>
/// <param name="Text">
/// <c>0x1f80</c> for values; for vectors, x87 registers and tiles their bytes in memory order, lowest byte first, in hexadecimal without prefix.
/// </param>
public readonly record struct RegisterValue(string Name, StateComponent Component, string Text)
{
    /// <summary>Whether the register can have held this value, as far as its bytes are known: what was lost of them may have been anything.</summary>
    public bool CanBe(string value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (Text is "?")
        {
            return true;
        }

        bool can = Text.Length == value.Length;
        for (int i = 0; can && i < value.Length; i++)
        {
            can = Text[i] == value[i] || Text[i] == '?';
        }

        return can;
    }
}

/// <summary>
/// The registers that an XSAVE area stands for: what a program sees after the area is loaded. Components whose XSTATE_BV bit is clear read as initial, whatever stale bytes the area has.
/// </summary>
public static class RegisterDump
{
    private const int RegistersIn32BitMode = 8;

    /// <summary>
    /// The registers of a state with a known layout. Outside 64-bit mode only those that its code could name; lost bytes are <c>??</c> in place of their two digits, and a value
    /// that lost bytes are part of is <c>?</c>, so that nobody takes them for zeros.
    /// </summary>
    /// <param name="state">The state.</param>
    /// <param name="components">The components that the state has.</param>
    /// <param name="mask">IA32_XFD or any set whose components read as initial.</param>
    /// <exception cref="ArgumentException">The layout of the state is not known.</exception>
    public static ImmutableArray<RegisterValue> Of(CapturedState state, StateComponentSet components, StateComponentSet mask = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        XsaveLayout layout = state.Layout?.Value ?? throw new ArgumentException("the layout that the state was written with is not known", nameof(state));
        byte[] area = new byte[Math.Max(state.Area.Length, XsaveFormat.ExtendedOffset)];
        state.Area.Span.CopyTo(area);
        ImmutableArray<RegisterValue> registers = Read(area, layout, components, mask);
        if (!state.Lost.IsEmpty)
        {
            foreach (AreaRange range in state.Lost)
            {
                Span<byte> lost = area.AsSpan(Math.Min(range.Offset, area.Length)..Math.Min(range.End, area.Length));
                for (int i = 0; i < lost.Length; i++)
                {
                    lost[i] ^= 0xFF;
                }
            }

            registers = [.. registers.Zip(Read(area, layout, components, mask), WithoutLost)];
        }

        return state.Is32Bit ? [.. registers.Where(register => !NeedsLongMode(register.Name))] : registers;
    }

    /// <summary>All registers of the given components.</summary>
    /// <param name="bytes">The area, in either format.</param>
    /// <param name="layout">The layout that it was written with.</param>
    /// <param name="components">The components that the state has: they decide which registers exist and how wide they are.</param>
    /// <param name="mask">IA32_XFD or any set whose components read as initial.</param>
    public static ImmutableArray<RegisterValue> Read(
        ReadOnlySpan<byte> bytes, XsaveLayout layout, StateComponentSet components, StateComponentSet mask = default)
    {
        ArgumentNullException.ThrowIfNull(layout);
        XsaveArea area = new(bytes);
        StateComponentSet live = area.XstateBv.Except(mask);
        ImmutableArray<RegisterValue>.Builder registers = ImmutableArray.CreateBuilder<RegisterValue>();
        AddX87(registers, bytes, live.Contains(StateComponent.X87));
        registers.Add(new RegisterValue("mxcsr", StateComponent.Sse, Hex(EffectiveMxcsr(area))));
        AddVectors(registers, area, layout, components, live);
        foreach (StateComponent component in components)
        {
            AddComponent(registers, component, Bytes(area, layout, component, live, SizeOf(component, layout)));
        }

        return registers.ToImmutable();
    }

    /// <summary>
    /// MXCSR as a load makes it. In the standard format the stored value counts even with bits 1 and 2 clear, because kernels before 5.16 kept it so; zero with both clear is the mark of an
    /// area that was never written. In the compacted format it rides with SSE alone.
    /// </summary>
    public static uint EffectiveMxcsr(XsaveArea area)
    {
        StateComponentSet live = area.XstateBv;
        if (area.IsCompacted)
        {
            return live.Contains(StateComponent.Sse) ? area.Mxcsr : Mxcsr.Initial;
        }

        bool carried = live.Contains(StateComponent.Sse) || live.Contains(StateComponent.Avx);
        return !carried && area.Mxcsr == 0 ? Mxcsr.Initial : area.Mxcsr;
    }

    // Two readings that differ in the lost bytes alone: what changed with them is not known.
    private static RegisterValue WithoutLost(RegisterValue one, RegisterValue other)
    {
        if (one.Text == other.Text)
        {
            return one;
        }

        if (one.Text.StartsWith("0x", StringComparison.Ordinal))
        {
            return one with { Text = "?" };
        }

        char[] text = one.Text.ToCharArray();
        for (int i = 0; i < text.Length; i++)
        {
            text[i] = text[i] == other.Text[i] ? text[i] : '?';
        }

        return one with { Text = new string(text) };
    }

    // XMM8 and up, and APX's R16 to R31, exist in 64-bit mode only (SDM Vol. 1, 3.4.1 and 10.2.2).
    private static bool NeedsLongMode(string name)
    {
        ReadOnlySpan<char> number = name.StartsWith('r') ? name.AsSpan(1) : name.Length > 3 && name.AsSpan(1, 2) is "mm" ? name.AsSpan(3) : default;
        return int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index >= RegistersIn32BitMode;
    }

    private static void AddX87(ImmutableArray<RegisterValue>.Builder registers, ReadOnlySpan<byte> bytes, bool live)
    {
        Span<byte> legacy = stackalloc byte[XsaveFormat.LegacyLength];
        if (live)
        {
            bytes[..XsaveFormat.LegacyLength].CopyTo(legacy);
        }
        else
        {
            legacy.Clear();
            BinaryPrimitives.WriteUInt16LittleEndian(legacy, XsaveFormat.InitialFcw);
        }

        AddGroups(registers, StateComponent.X87, legacy);
    }

    private static void AddVectors(
        ImmutableArray<RegisterValue>.Builder registers, XsaveArea area, XsaveLayout layout, StateComponentSet components, StateComponentSet live)
    {
        bool ymm = components.Contains(StateComponent.Avx);
        bool zmm = ymm && components.Contains(StateComponent.ZmmHi256);
        ReadOnlySpan<byte> low = live.Contains(StateComponent.Sse) ? area.Bytes[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd] : new byte[XsaveFormat.XmmEnd - XsaveFormat.XmmOffset];
        ReadOnlySpan<byte> middle = Bytes(area, layout, StateComponent.Avx, live, RegisterCatalog.LowVectors * RegisterCatalog.YmmHighLength);
        ReadOnlySpan<byte> high = Bytes(area, layout, StateComponent.ZmmHi256, live, RegisterCatalog.LowVectors * RegisterCatalog.ZmmHighLength);
        Span<byte> register = stackalloc byte[RegisterCatalog.ZmmLength];
        for (int i = 0; i < RegisterCatalog.LowVectors; i++)
        {
            low.Slice(i * XsaveFormat.XmmLength, XsaveFormat.XmmLength).CopyTo(register);
            int length = XsaveFormat.XmmLength;
            if (ymm)
            {
                middle.Slice(i * RegisterCatalog.YmmHighLength, RegisterCatalog.YmmHighLength).CopyTo(register[length..]);
                length += RegisterCatalog.YmmHighLength;
            }

            if (zmm)
            {
                high.Slice(i * RegisterCatalog.ZmmHighLength, RegisterCatalog.ZmmHighLength).CopyTo(register[length..]);
                length += RegisterCatalog.ZmmHighLength;
            }

            (string name, StateComponent component) = zmm ? ("zmm", StateComponent.ZmmHi256) : ymm ? ("ymm", StateComponent.Avx) : ("xmm", StateComponent.Sse);
            registers.Add(new RegisterValue($"{name}{i}", component, Convert.ToHexStringLower(register[..length])));
        }

        if (zmm && components.Contains(StateComponent.Hi16Zmm))
        {
            ReadOnlySpan<byte> upper = Bytes(area, layout, StateComponent.Hi16Zmm, live, RegisterCatalog.LowVectors * RegisterCatalog.ZmmLength);
            for (int i = 0; i < RegisterCatalog.LowVectors; i++)
            {
                registers.Add(new RegisterValue($"zmm{i + RegisterCatalog.LowVectors}", StateComponent.Hi16Zmm, Convert.ToHexStringLower(upper.Slice(i * RegisterCatalog.ZmmLength, RegisterCatalog.ZmmLength))));
            }
        }
    }

    private static void AddComponent(ImmutableArray<RegisterValue>.Builder registers, StateComponent component, ReadOnlySpan<byte> bytes)
    {
        if (RegisterCatalog.IsBytesOnly(component))
        {
            registers.Add(new RegisterValue(StateComponents.NameOf(component), component, Convert.ToHexStringLower(bytes)));
        }
        else if (component != StateComponent.X87 && !RegisterCatalog.IsVector(component))
        {
            AddGroups(registers, component, bytes);
        }
    }

    private static void AddGroups(ImmutableArray<RegisterValue>.Builder registers, StateComponent component, ReadOnlySpan<byte> bytes)
    {
        foreach (RegisterGroup group in RegisterCatalog.Of(component))
        {
            for (int i = 0; i < group.Names.Length; i++)
            {
                registers.Add(new RegisterValue(group.Names[i], component, Text(bytes.Slice(group.Offset + (i * group.Stride), group.Length), group.IsValue)));
            }
        }
    }

    /// <summary>The text of a register's bytes.</summary>
    internal static string Text(ReadOnlySpan<byte> bytes, bool isValue)
    {
        if (!isValue)
        {
            return Convert.ToHexStringLower(bytes);
        }

        Span<byte> value = stackalloc byte[sizeof(ulong)];
        value.Clear();
        bytes.CopyTo(value);
        return Hex(BinaryPrimitives.ReadUInt64LittleEndian(value));
    }

    private static int SizeOf(StateComponent component, XsaveLayout layout) =>
        Math.Max(StateComponents.Find(component)?.Size ?? 0, layout.TryGetSlot(component, out XsaveSlot slot) ? slot.Size : 0);

    // The component's bytes when they count, else its initial state; never shorter than the registers it is made of.
    private static ReadOnlySpan<byte> Bytes(XsaveArea area, XsaveLayout layout, StateComponent component, StateComponentSet live, int atLeast)
    {
        if (!live.Contains(component) || !area.TryGetComponent(component, layout, out ReadOnlySpan<byte> bytes))
        {
            return Initial(component, atLeast);
        }

        if (bytes.Length >= atLeast)
        {
            return bytes;
        }

        byte[] padded = new byte[atLeast];
        bytes.CopyTo(padded);
        return padded;
    }

    private static byte[] Initial(StateComponent component, int length)
    {
        byte[] bytes = new byte[length];
        if (component is StateComponent.Hdc or StateComponent.Hwp)
        {
            // The only components whose initial state is not all zeros (SDM Vol. 1, 13.6).
            BinaryPrimitives.WriteUInt64LittleEndian(bytes, component == StateComponent.Hdc ? 1UL : 0x8000_FF01UL);
        }

        return bytes;
    }

    private static string Hex(ulong value) => $"0x{value:x}";
}
