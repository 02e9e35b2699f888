using System.Numerics;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.QemuStream;

/// <summary>
/// The registers of the guest that the samples were saved from, by its formula: byte j of vector register r is (seed + 67r + 5j) mod 256.
/// </summary>
internal static class SeededGuest
{
    public const uint Pkru = 0x5555_5554;

    public static ushort Fcw(int seed) => (ushort)(0x37F | (seed & 3) << 10);

    public static uint Mxcsr(int seed) => 0x1F80 | ((uint)seed + 1 & 3) << 13;

    public static ulong Opmask(int seed, int i) => (0x1111_1111_1111_1111UL * ((ulong)i + 1)) ^ ((ulong)seed << 32);

    public static byte[] Vector(int seed, int register, int length) =>
        [.. Enumerable.Range(0, length).Select(j => (byte)(seed + (67 * register) + (5 * j)))];

    /// <summary>ST(0) is seed + 1, ST(1) is seed; both were pushed, so TOP is 6.</summary>
    public static byte[] St(int seed, int i) => i < 2 ? Extended(seed + 1 - i) : new byte[10];

    /// <summary>A small positive integer as the processor stores it in ten bytes.</summary>
    public static byte[] Extended(int value)
    {
        int exponent = BitOperations.Log2((uint)value);
        byte[] bytes = new byte[10];
        BitConverter.TryWriteBytes(bytes, (ulong)value << (63 - exponent));
        BitConverter.TryWriteBytes(bytes.AsSpan(8), (ushort)(0x3FFF + exponent));
        return bytes;
    }

    /// <summary>The registers as the tool prints them, for a guest with these components; FOP, FIP and FDP are not the formula's.</summary>
    public static Dictionary<string, string> Registers(int seed, StateComponentSet components, int vectorBytes)
    {
        Dictionary<string, string> registers = new()
        {
            ["fcw"] = $"0x{Fcw(seed):x}",
            ["fsw"] = "0x3000",
            ["ftw"] = "0xc0",
            ["mxcsr"] = $"0x{Mxcsr(seed):x}"
        };
        for (int i = 0; i < 8; i++)
        {
            registers[$"st{i}"] = Convert.ToHexStringLower(St(seed, i));
        }

        bool zmm = components.Contains(StateComponent.ZmmHi256);
        (string name, int count, int length) = zmm ? ("zmm", 32, 64) : components.Contains(StateComponent.Avx)
            ? ("ymm", 16, 32) : ("xmm", 16, 16);
        for (int i = 0; i < count; i++)
        {
            byte[] register = new byte[length];
            Vector(seed, i, length).AsSpan(0, i < 16 || vectorBytes == 64 ? Math.Min(length, vectorBytes) : 0).CopyTo(register);
            registers[$"{name}{i}"] = Convert.ToHexStringLower(register);
        }

        for (int i = 0; i < 8 && zmm; i++)
        {
            registers[$"k{i}"] = vectorBytes == 64 ? $"0x{Opmask(seed, i):x}" : "0x0";
        }

        if (components.Contains(StateComponent.Pkru))
        {
            registers["pkru"] = $"0x{Pkru:x}";
        }

        return registers;
    }

    /// <summary>The registers of a decoded state, as far as the formula gives them.</summary>
    public static Dictionary<string, string> Of(CapturedState state, StateComponentSet components) =>
        RegisterDump.Read(state.Area.Span, state.Layout!.Value, components)
        .Where(register => register.Name is not ("fop" or "fip" or "fdp"))
        .ToDictionary(register => register.Name, register => register.Text);
}
