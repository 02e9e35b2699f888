using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>
/// How much of a component an instruction outside 64-bit mode reaches: XMM0-7 and their upper parts, and nothing of ZMM16-31 (SDM Vol. 1,
/// 13.5; confirmed on AMD family 25 in compatibility mode). The rest is neither stored nor loaded nor initialized.
/// </summary>
internal static class ModeVisibility
{
    public static bool HidesPartOf(StateComponent component) =>
        component is StateComponent.Sse or StateComponent.Avx or StateComponent.ZmmHi256 or StateComponent.Hi16Zmm;

    public static int VisibleLength(StateComponent component, int length, bool is64BitMode)
    {
        if (is64BitMode || !HidesPartOf(component))
        {
            return length;
        }

        return component == StateComponent.Hi16Zmm ? 0 : length / 2;
    }

    /// <summary>
    /// Whether the processor sees that ZMM8 to ZMM15 are zero, all parts of them. It looks only if AVX or ZMM_Hi256 is in use (measured on
    /// an Intel Xeon with AMX).
    /// </summary>
    public static bool AreHiddenHalvesKnownZero(RegisterFile file) =>
        file.History.Overlaps(StateComponentSet.Of(StateComponent.Avx, StateComponent.ZmmHi256))
        && IsUpperHalfZero(file.Read(StateComponent.Sse)) && IsUpperHalfZero(file.Read(StateComponent.Avx))
        && IsUpperHalfZero(file.Read(StateComponent.ZmmHi256));

    private static bool IsUpperHalfZero(ReadOnlySpan<byte> bytes) => !bytes[(bytes.Length / 2)..].ContainsAnyExcept((byte)0);
}
