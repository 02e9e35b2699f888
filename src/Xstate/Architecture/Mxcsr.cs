namespace Xstate.Architecture;

/// <summary>MXCSR and its mask (SDM Vol. 1, 10.2.3 and 11.6.6).</summary>
internal static class Mxcsr
{
    /// <summary>The initial value: all exceptions masked.</summary>
    public const uint Initial = 0x1F80;

    /// <summary>MXCSR_MASK of Intel processors.</summary>
    public const uint IntelMask = 0xFFFF;

    /// <summary>MXCSR_MASK of AMD processors: bit 17 (misaligned SSE) is writable too.</summary>
    public const uint AmdMask = 0x2FFFF;

    /// <summary>The mask that a stored MXCSR_MASK of zero stands for.</summary>
    public const uint MaskWhenZero = 0xFFBF;

    /// <summary>
    /// What XRSTOR makes of a stored MXCSR. In the standard format it loads the value whatever XSTATE_BV says; in the compacted format
    /// MXCSR rides with SSE alone (SDM Vol. 1, 13.8.1 and 13.8.2).
    /// </summary>
    internal static uint Loaded(uint stored, StateComponentSet live, bool compacted) =>
        compacted && !live.Contains(StateComponent.Sse) ? Initial : stored;

    /// <summary>The meaning of a stored MXCSR_MASK.</summary>
    public static uint MaskFromImage(uint stored) => stored == 0 ? MaskWhenZero : stored;
}
