using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>What two areas hold differently without any register showing it.</summary>
internal static class NoiseComparison
{
    private const int StSlots = 8;

    /// <summary>Compares the bytes that no register explains.</summary>
    /// <param name="left">A state.</param>
    /// <param name="right">Another.</param>
    /// <param name="differing">Components that have a differing register: their bytes are no noise.</param>
    public static ImmutableArray<NoiseContrast> Compare(CapturedState left, CapturedState right, HashSet<StateComponent> differing)
    {
        ImmutableArray<NoiseContrast>.Builder noise = ImmutableArray.CreateBuilder<NoiseContrast>();
        XsaveArea one = left.ReadArea();
        XsaveArea other = right.ReadArea();
        Add("format", FormatOf(one), FormatOf(other));
        Add("length", LengthOf(left), LengthOf(right));
        StateComponentSet unknown = left.NotRecorded | right.NotRecorded;
        foreach (StateComponent component in (one.XstateBv | other.XstateBv).Except(unknown))
        {
            bool inLeft = one.XstateBv.Contains(component);
            if (inLeft != other.XstateBv.Contains(component) && !differing.Contains(component))
            {
                Add($"XSTATE_BV bit {(int)component} ({StateComponents.NameOf(component)}), which only XGETBV with ECX=1 shows",
                    UseOf(inLeft), UseOf(!inLeft));
            }
        }

        Add("XCOMP_BV", Hex(one.XcompBv), Hex(other.XcompBv));
        Add("reserved header bytes", Describe(one.ReservedHeader), Describe(other.ReservedHeader));
        Add("MXCSR_MASK", Hex(one.MxcsrMask), Hex(other.MxcsrMask));
        if (!differing.Contains(StateComponent.Sse) && one.EffectiveMxcsr == other.EffectiveMxcsr)
        {
            Add("stored MXCSR, which no load takes", Hex(one.Mxcsr), Hex(other.Mxcsr));
        }

        Add("software bytes", Describe(one.Bytes[XsaveFormat.SoftwareOffset..XsaveFormat.LegacyLength]),
            Describe(other.Bytes[XsaveFormat.SoftwareOffset..XsaveFormat.LegacyLength]));
        Add("reserved bytes of the legacy region", Describe(Reserved(one)), Describe(Reserved(other)));
        foreach (StateComponent component in (left.Components | right.Components).Except(unknown))
        {
            Add($"place of {StateComponents.NameOf(component)}", PlaceOf(left, component), PlaceOf(right, component));
            Add($"stale bytes of {StateComponents.NameOf(component)}", Stale(left, component), Stale(right, component));
        }

        return noise.ToImmutable();

        void Add(string what, string inLeft, string inRight)
        {
            if (inLeft != inRight)
            {
                noise.Add(new NoiseContrast(what, inLeft, inRight));
            }
        }
    }

    private static string FormatOf(XsaveArea area) => area.IsCompacted ? "compacted" : "standard";

    private static string LengthOf(CapturedState state) => string.Create(CultureInfo.InvariantCulture, $"{state.Area.Length} bytes");

    private static string UseOf(bool inUse) => inUse ? "in use" : "initial";

    private static string PlaceOf(CapturedState state, StateComponent component) =>
        !state.ReadArea().TryLocate(component, state.Layout!.Value, out int offset, out int size)
        ? "none" : string.Create(CultureInfo.InvariantCulture, $"{offset} +{size}");

    // Bytes of a component whose XSTATE_BV bit is clear: a load makes it initial, whatever they are.
    private static string Stale(CapturedState state, StateComponent component)
    {
        XsaveArea area = state.ReadArea();
        if (area.XstateBv.Contains(component) || !area.TryLocate(component, state.Layout!.Value, out int offset, out int size))
        {
            return "none";
        }

        byte[] bytes = area.Bytes.Slice(offset, size).ToArray();
        if (component == StateComponent.X87)
        {
            // What is compared on its own, and the control word that kernels store as initial.
            bytes.AsSpan(LegacyRegion.MxcsrAndMask).Clear();
            for (int slot = 0; slot < StSlots; slot++)
            {
                Padding(bytes, slot).Clear();
            }

            if (BinaryPrimitives.ReadUInt16LittleEndian(bytes) == XsaveFormat.InitialFcw)
            {
                bytes.AsSpan(0, sizeof(ushort)).Clear();
            }
        }

        return Describe(bytes);
    }

    // The six bytes behind each x87 register, and bytes 416 to 463.
    private static byte[] Reserved(XsaveArea area)
    {
        byte[] legacy = area.Bytes[..XsaveFormat.LegacyLength].ToArray();
        using MemoryStream reserved = new();
        for (int slot = 0; slot < StSlots; slot++)
        {
            reserved.Write(Padding(legacy, slot));
        }

        reserved.Write(legacy.AsSpan(XsaveFormat.XmmEnd..XsaveFormat.SoftwareOffset));
        return reserved.ToArray();
    }

    private static Span<byte> Padding(byte[] legacy, int slot) =>
        legacy.AsSpan((XsaveFormat.StOffset + (slot * XsaveFormat.StSlotLength) + XsaveFormat.StLength)..(XsaveFormat.StOffset
            + ((slot + 1) * XsaveFormat.StSlotLength)));

    // Of a long run the beginning, the length and a checksum: two that differ anywhere read differently.
    private static string Describe(ReadOnlySpan<byte> bytes)
    {
        const int Shown = 64;
        int used = bytes.LastIndexOfAnyExcept((byte)0) + 1;
        return used == 0 ? "none"
            : used <= Shown ? Convert.ToHexStringLower(bytes[..used])
            : string.Create(CultureInfo.InvariantCulture,
                $"{Convert.ToHexStringLower(bytes[..Shown])}… ({used} bytes, CRC {Crc(bytes):x8})");
    }

    private static uint Crc(ReadOnlySpan<byte> bytes)
    {
        uint crc = ~0u;
        foreach (byte value in bytes)
        {
            crc = System.Numerics.BitOperations.Crc32C(crc, value);
        }

        return ~crc;
    }

    private static string Hex(ulong value) => $"0x{value:x}";
}
