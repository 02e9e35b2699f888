using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

/// <summary>
/// The registers that our generators give a guest or thread: every byte follows from a seed, so a sample needs no list of values beside it.
/// </summary>
internal static class SeededRegisters
{
    private static readonly StateComponentSet Avx512 = new(0xE7);

    /// <summary>All registers of a state by name.</summary>
    public static Dictionary<string, string> Of(CapturedState state, StateComponentSet? components = null) =>
        RegisterDump.Read(state.Area.Span, state.Layout!.Value, components ?? Avx512)
        .ToDictionary(register => register.Name, register => register.Text);

    /// <summary>Byte j of vector register r.</summary>
    public static string Vector(int seed, int thread, int register, int length) =>
        Convert.ToHexStringLower([.. Enumerable.Range(0, length).Select(j => (byte)(seed + (17 * thread) + (67 * register) + (5 * j)))]);

    /// <summary>Mask register i.</summary>
    public static string Mask(int seed, int thread, int i) =>
        $"0x{(0x1111_1111_1111_1111UL * (ulong)(i + 1)) ^ ((ulong)seed << 32 | (uint)thread):x}";

    /// <summary>Asserts every vector and mask register of a state with full AVX-512.</summary>
    public static void AssertAvx512(Dictionary<string, string> registers, int seed, int thread = 0)
    {
        for (int r = 0; r < 32; r++)
        {
            Assert.Equal(Vector(seed, thread, r, 64), registers[$"zmm{r}"]);
        }

        for (int i = 0; i < 8; i++)
        {
            Assert.Equal(Mask(seed, thread, i), registers[$"k{i}"]);
        }
    }
}
