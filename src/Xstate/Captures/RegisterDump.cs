using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>One register by name, as the tool prints it.</summary>
/// <param name="Name">Lower-case name: <c>mxcsr</c>, <c>st0</c>, <c>zmm3</c>, <c>pkru</c>.</param>
/// <param name="Component">The component it belongs to; a vector register belongs to the one that makes it widest.</param>
/// <param name="Text">
/// <c>0x1f80</c> for values; for vectors, x87 registers and tiles their bytes in memory order, lowest byte first, in hexadecimal without
/// prefix.
/// </param>
internal readonly record struct RegisterValue(string Name, StateComponent Component, string Text)
{
    /// <summary>
    /// Whether the register can have held this value, as far as its bytes are known: what was lost of them may have been anything.
    /// </summary>
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

    /// <summary>Whether two registers, of either of which bytes may be lost, can have held the same value.</summary>
    internal bool CouldBe(RegisterValue other)
    {
        bool could = Text is "?" || other.Text is "?" || Text.Length == other.Text.Length;
        for (int i = 0; could && i < Math.Min(Text.Length, other.Text.Length) && Text.Length == other.Text.Length; i++)
        {
            could = Text[i] == other.Text[i] || Text[i] == '?' || other.Text[i] == '?';
        }

        return could;
    }
}

/// <summary>
/// The registers that an XSAVE area stands for: what a program sees after the area is loaded. Components whose XSTATE_BV bit is clear read
/// as initial, whatever stale bytes the area has.
/// </summary>
internal static class RegisterDump
{
    private const int RegistersIn32BitMode = 8;

    /// <summary>
    /// The registers of a state with a known layout. Outside 64-bit mode only those that its code could name; lost bytes are <c>??</c> in
    /// place of their two digits, and a value that lost bytes are part of is <c>?</c>, so that nobody takes them for zeros.
    /// </summary>
    /// <param name="state">The state.</param>
    /// <param name="components">The components that the state has.</param>
    /// <param name="mask">IA32_XFD or any set whose components read as initial.</param>
    /// <exception cref="ArgumentException">The layout of the state is not known.</exception>
    public static ImmutableArray<RegisterValue> Of(CapturedState state, StateComponentSet components, StateComponentSet mask = default)
    {
        ArgumentNullException.ThrowIfNull(state);
        XsaveLayout layout = state.Layout?.Value ?? throw new ArgumentException("the layout that the state was written with is not known",
            nameof(state));
        XsaveArea area = state.ReadArea();
        StateComponentSet live = area.XstateBv.Except(mask);
        StateComponentSet notRecorded = state.NotRecorded;
        ImmutableArray<RegisterValue>.Builder registers = ImmutableArray.CreateBuilder<RegisterValue>();
        foreach (RegisterPlace place in RegisterCatalog.Of(components.Except(notRecorded)))
        {
            if (notRecorded.Overlaps(place.Components) || (state.Is32Bit && NeedsLongMode(place.Name)))
            {
                continue;
            }

            int length = RegisterReader.LengthOf(place, layout);
            byte[] bytes = new byte[length];
            RegisterReader.Read(area, layout, live, place, bytes);
            bool[] lost = state.Lost.IsEmpty ? [] : new bool[length];
            bool isLost = lost.Length > 0 && RegisterReader.FindLost(state, area, live, place, lost);
            registers.Add(new RegisterValue(place.Name, place.Component, isLost
                ? TextWithoutLost(bytes, lost, place.IsValue) : Text(bytes, place.IsValue)));
        }

        return registers.ToImmutable();
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
        foreach (RegisterPlace place in RegisterCatalog.Of(components))
        {
            byte[] register = new byte[RegisterReader.LengthOf(place, layout)];
            RegisterReader.Read(area, layout, live, place, register);
            registers.Add(new RegisterValue(place.Name, place.Component, Text(register, place.IsValue)));
        }

        return registers.ToImmutable();
    }

    /// <summary>
    /// The text of a register of which bytes are lost: a value that they are part of is no value; of bytes the others stay.
    /// </summary>
    internal static string TextWithoutLost(ReadOnlySpan<byte> bytes, ReadOnlySpan<bool> lost, bool isValue)
    {
        if (isValue)
        {
            return "?";
        }

        char[] text = Text(bytes, isValue).ToCharArray();
        for (int i = 0; i < lost.Length; i++)
        {
            if (lost[i])
            {
                text[2 * i] = text[(2 * i) + 1] = '?';
            }
        }

        return new string(text);
    }

    /// <summary>Whether a register exists in 64-bit mode only: XMM8 and up, and APX's R16 to R31 (SDM Vol. 1, 3.4.1 and 10.2.2).</summary>
    internal static bool NeedsLongMode(string name)
    {
        ReadOnlySpan<char> number = name.StartsWith('r') ? name.AsSpan(1) : name.Length > 3 && name.AsSpan(1, 2) is "mm"
            ? name.AsSpan(3) : default;
        return int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index >= RegistersIn32BitMode;
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

    private static string Hex(ulong value) => $"0x{value:x}";
}
