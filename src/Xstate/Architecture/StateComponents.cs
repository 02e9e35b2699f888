using System.Collections.Immutable;
using static Xstate.Architecture.StateComponentSet;

namespace Xstate.Architecture;

/// <summary>The catalogue of state components: one row each, read by layouts, rules, models, reports and documentation.</summary>
/// <threadsafety>Any thread.</threadsafety>
public static class StateComponents
{
    private static readonly StateComponentSet Mpx = Of(StateComponent.BndRegs, StateComponent.BndCsr);
    private static readonly StateComponentSet Avx512 = Of(StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm);
    private static readonly StateComponentSet Amx = Of(StateComponent.TileCfg, StateComponent.TileData);
    private static readonly StateComponentSet SseAvx = Of(StateComponent.Sse, StateComponent.Avx);

    /// <summary>All components that the manuals name, by bit.</summary>
    public static ImmutableArray<StateComponentInfo> All { get; } =
    [
        // component, name, enabled by, size, requires, all-or-none group, excludes, features, XSAVE-enabled
        User(StateComponent.X87, "x87", 160, Empty, Empty, Empty, false, CpuidFeatures.Fpu),
        User(StateComponent.Sse, "sse", 256, Empty, Empty, Empty, false, CpuidFeatures.Sse),
        User(StateComponent.Avx, "avx", 256, Of(StateComponent.Sse), Empty, Empty, true, CpuidFeatures.Avx),
        User(StateComponent.BndRegs, "bndregs", 64, Empty, Mpx, Of(StateComponent.Apx), true, CpuidFeatures.Mpx),
        User(StateComponent.BndCsr, "bndcsr", 64, Empty, Mpx, Of(StateComponent.Apx), true, CpuidFeatures.Mpx),
        User(StateComponent.Opmask, "opmask", 64, SseAvx, Avx512, Empty, true, CpuidFeatures.Avx512f),
        User(StateComponent.ZmmHi256, "zmm_hi256", 512, SseAvx, Avx512, Empty, true, CpuidFeatures.Avx512f),
        User(StateComponent.Hi16Zmm, "hi16_zmm", 1024, SseAvx, Avx512, Empty, true, CpuidFeatures.Avx512f),
        Supervisor(StateComponent.Pt, "pt", 128, CpuidFeatures.IntelPt),
        User(StateComponent.Pkru, "pkru", 8, Empty, Empty, Empty, false, CpuidFeatures.Pku),
        Supervisor(StateComponent.Pasid, "pasid", 8, CpuidFeatures.Enqcmd),
        Supervisor(StateComponent.CetU, "cet_u", 16, CpuidFeatures.CetSs, CpuidFeatures.CetIbt),
        Supervisor(StateComponent.CetS, "cet_s", 24, CpuidFeatures.CetSs, CpuidFeatures.CetIbt),
        Supervisor(StateComponent.Hdc, "hdc", 8, CpuidFeatures.Hdc) with { InitialValue = 1 },
        Supervisor(StateComponent.Uintr, "uintr", 48, CpuidFeatures.Uintr),
        Supervisor(StateComponent.Lbr, "lbr", 808, CpuidFeatures.ArchLbr),
        Supervisor(StateComponent.Hwp, "hwp", 8, CpuidFeatures.Hwp) with { InitialValue = 0x8000_FF01 },
        User(StateComponent.TileCfg, "tilecfg", 64, Empty, Amx, Empty, true, CpuidFeatures.AmxTile),
        User(StateComponent.TileData, "tiledata", 8192, Empty, Amx, Empty, true, CpuidFeatures.AmxTile),

        // APX reuses the 128 bytes that MPX had at 960, so the two cannot be enabled together.
        User(StateComponent.Apx, "apx", 128, Empty, Empty, Mpx, true, CpuidFeatures.ApxF),
        User(StateComponent.Lwp, "lwp", 128, SseAvx, Empty, Empty, true, CpuidFeatures.Lwp),
    ];

    private static readonly StateComponentInfo?[] ByBit = IndexByBit();

    /// <summary>All components that XCR0 can enable.</summary>
    public static StateComponentSet UserComponents { get; } = SetOf(EnabledBy.Xcr0);

    /// <summary>All components that IA32_XSS can enable.</summary>
    public static StateComponentSet SupervisorComponents { get; } = SetOf(EnabledBy.Xss);

    /// <summary>The row of a component, or null for a bit that no manual names.</summary>
    public static StateComponentInfo? Find(StateComponent component) => (int)component < ByBit.Length ? ByBit[(int)component] : null;

    /// <summary>The row of a component that is known to be in the catalogue.</summary>
    /// <exception cref="ArgumentOutOfRangeException">No manual names this bit.</exception>
    public static StateComponentInfo Get(StateComponent component) =>
        Find(component) ?? throw new ArgumentOutOfRangeException(nameof(component), component, "no manual names this state component");

    /// <summary>The component's name, or <c>bit43</c> for one without a name.</summary>
    public static string NameOf(StateComponent component) => Find(component)?.Name ?? $"bit{(int)component}";

    /// <summary>Finds a component by its name (any case) or by <c>bitN</c>.</summary>
    public static bool TryParse(string text, out StateComponent component)
    {
        ArgumentNullException.ThrowIfNull(text);
        foreach (StateComponentInfo info in All)
        {
            if (string.Equals(info.Name, text, StringComparison.OrdinalIgnoreCase))
            {
                component = info.Component;
                return true;
            }
        }

        component = default;
        if (!text.StartsWith("bit", StringComparison.OrdinalIgnoreCase) || !byte.TryParse(text.AsSpan(3), out byte bit) || bit > 62)
        {
            return false;
        }

        component = (StateComponent)bit;
        return true;
    }

    private static StateComponentInfo User(
        StateComponent component,
        string name,
        int size,
        StateComponentSet requires,
        StateComponentSet group,
        StateComponentSet excludes,
        bool xsaveEnabled,
        params ImmutableArray<CpuidFeature> features) =>
        new(component, name, EnabledBy.Xcr0, size)
        {
            Requires = requires,
            Group = group,
            Excludes = excludes,
            XsaveEnabled = xsaveEnabled,
            Features = features,
        };

    private static StateComponentInfo Supervisor(
        StateComponent component, string name, int size, params ImmutableArray<CpuidFeature> features) =>
        new(component, name, EnabledBy.Xss, size) { Features = features };

    private static StateComponentInfo?[] IndexByBit()
    {
        StateComponentInfo?[] byBit = new StateComponentInfo?[64];
        foreach (StateComponentInfo info in All)
        {
            byBit[(int)info.Component] = info;
        }

        return byBit;
    }

    private static StateComponentSet SetOf(EnabledBy register)
    {
        StateComponentSet set = Empty;
        foreach (StateComponentInfo info in All)
        {
            if (info.EnabledBy == register)
            {
                set |= info.Bit;
            }
        }

        return set;
    }
}
