using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Registers of a state by name, as bytes and as typed vectors, without text in between. Names are those of <c>xstate show</c>, in any case
/// and at any width: <c>zmm5</c>, <c>xmm5</c>, <c>st0</c>, <c>k1</c>,
/// <c>mxcsr</c>, <c>pkru</c>, <c>ssp</c>.
/// </summary>
/// <threadsafety>Any thread.</threadsafety>
public static class StateRegisters
{
    /// <summary>Bytes of a register: 64 for <c>zmm5</c>, 10 for <c>st0</c>, 4 for <c>mxcsr</c>; 0 when there is no such register.</summary>
    /// <param name="state">The state, whose processor decides how long a whole component is.</param>
    /// <param name="name">The register.</param>
    public static int LengthOfRegister(this CapturedState state, string name)
    {
        ArgumentNullException.ThrowIfNull(state);
        return RegisterCatalog.Find(name) is { } place ? RegisterReader.LengthOf(place, state.Layout?.Value) : 0;
    }

    /// <summary>Reads the bytes of a register in memory order, lowest first. Nothing is allocated.</summary>
    /// <param name="state">The state; without a layout only x87 and SSE are known.</param>
    /// <param name="name">The register.</param>
    /// <param name="destination">Receives the bytes, lost ones as zeros; at least <see cref="LengthOfRegister"/> long.</param>
    /// <param name="knowledge">How well the value is known.</param>
    /// <returns>Whether every byte is known.</returns>
    /// <exception cref="ArgumentException">The destination is too short.</exception>
    public static bool TryReadRegister(this CapturedState state, string name, Span<byte> destination, out RegisterKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(state);
        RegisterPlace? place = RegisterCatalog.Find(name);
        knowledge = place is null ? RegisterKnowledge.Absent : Read(state, place,
            Room(destination, RegisterReader.LengthOf(place, state.Layout?.Value)));
        return knowledge is RegisterKnowledge.Initial or RegisterKnowledge.Stored;
    }

    /// <summary>Reads a register of at most eight bytes as a number: <c>mxcsr</c>, <c>k1</c>, <c>pkru</c>, <c>ssp</c>.</summary>
    /// <exception cref="ArgumentException">The register is longer.</exception>
    public static bool TryReadRegister(this CapturedState state, string name, out ulong value, out RegisterKnowledge knowledge)
    {
        Span<byte> bytes = stackalloc byte[sizeof(ulong)];
        bytes.Clear();
        bool known = state.TryReadRegister(name, bytes, out knowledge);
        value = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        return known;
    }

    /// <summary>Reads an x87 register, <c>st0</c> to <c>st7</c> from the top of the stack, as an 80-bit number.</summary>
    internal static bool TryReadRegister(this CapturedState state, string name, out Float80 value, out RegisterKnowledge knowledge)
    {
        Span<byte> bytes = stackalloc byte[Float80.Length];
        bytes.Clear();
        bool known = TryReadExactly(state, name, bytes, out knowledge);
        value = Float80.Read(bytes);
        return known;
    }

    /// <summary>Reads <c>xmm0</c> to <c>xmm31</c> as a vector of any element type.</summary>
    public static bool TryReadRegister<T>(this CapturedState state, string name, out Vector128<T> value, out RegisterKnowledge knowledge)
        where T : struct
    {
        value = default;
        return TryReadExactly(state, name, MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref value, 1)), out knowledge);
    }

    /// <summary>Reads <c>ymm0</c> to <c>ymm31</c> as a vector of any element type.</summary>
    public static bool TryReadRegister<T>(this CapturedState state, string name, out Vector256<T> value, out RegisterKnowledge knowledge)
        where T : struct
    {
        value = default;
        return TryReadExactly(state, name, MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref value, 1)), out knowledge);
    }

    /// <summary>Reads <c>zmm0</c> to <c>zmm31</c> as a vector of any element type.</summary>
    public static bool TryReadRegister<T>(this CapturedState state, string name, out Vector512<T> value, out RegisterKnowledge knowledge)
        where T : struct
    {
        value = default;
        return TryReadExactly(state, name, MemoryMarshal.AsBytes(MemoryMarshal.CreateSpan(ref value, 1)), out knowledge);
    }

    /// <summary>How well a register is known, and its bytes.</summary>
    internal static RegisterKnowledge Read(CapturedState state, RegisterPlace place, Span<byte> destination)
    {
        destination.Clear();
        if (place.Msr is { } msr)
        {
            bool known = state.Msrs.TryGetValue(msr, out ulong value);
            BinaryPrimitives.WriteUInt64LittleEndian(destination, value);
            return known ? RegisterKnowledge.Stored : RegisterKnowledge.NotRecorded;
        }

        if (state.Is32Bit && RegisterDump.NeedsLongMode(place.Name))
        {
            return RegisterKnowledge.Absent;
        }

        StateComponentSet pieces = place.Components;
        StateComponentSet notRecorded = state.NotRecorded;
        if (notRecorded.Overlaps(pieces))
        {
            return RegisterKnowledge.NotRecorded;
        }

        if (!state.Components.ContainsAll(pieces))
        {
            return RegisterKnowledge.Absent;
        }

        XsaveArea area = state.ReadArea();
        XsaveLayout layout = state.Layout?.Value ?? XsaveLayout.LegacyOnly;
        bool stored = RegisterReader.Read(area, layout, area.XstateBv, place, destination);
        if (state.Lost.IsEmpty || state.Layout is null)
        {
            return stored ? RegisterKnowledge.Stored : RegisterKnowledge.Initial;
        }

        bool[] lost = new bool[destination.Length];
        if (!RegisterReader.FindLost(state, area, area.XstateBv, place, lost))
        {
            return stored ? RegisterKnowledge.Stored : RegisterKnowledge.Initial;
        }

        for (int i = 0; i < lost.Length; i++)
        {
            destination[i] = lost[i] ? (byte)0 : destination[i];
        }

        return RegisterKnowledge.Lost;
    }

    private static bool TryReadExactly(CapturedState state, string name, Span<byte> destination, out RegisterKnowledge knowledge)
    {
        int length = state.LengthOfRegister(name);
        return length == 0 || length == destination.Length
            ? state.TryReadRegister(name, destination, out knowledge)
            : throw new ArgumentException($"{name} has {length} bytes, not {destination.Length}", nameof(name));
    }

    private static Span<byte> Room(Span<byte> destination, int length) =>
        destination.Length >= length ? destination[..length]
        : throw new ArgumentException($"{destination.Length} bytes are too few for a register of {length}", nameof(destination));
}
