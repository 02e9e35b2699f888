using System.Collections.Immutable;
using static Xstate.Architecture.StateComponentSet;

namespace Xstate.Architecture;

/// <summary>Which register enables a component, and with it whether user code may save it.</summary>
public enum EnabledBy
{
    /// <summary>XCR0: a user component, reachable by XSAVE and XRSTOR.</summary>
    Xcr0,

    /// <summary>IA32_XSS: a supervisor component, reachable by XSAVES and XRSTORS only.</summary>
    Xss,
}

/// <summary>
/// What the manuals fix about one component on every processor. Standard-format offsets are deliberately not here: they
/// belong to one CPU model and come from CPUID leaf 0xD (<see cref="XsaveLayout"/>).
/// </summary>
/// <param name="Component">The component.</param>
/// <param name="Name">The name used in output and input, lower case.</param>
/// <param name="EnabledBy">The register whose bit enables it.</param>
/// <param name="Size">Bytes in an XSAVE area, as every processor but EPYC Rome (PKRU) enumerates them.</param>
/// <param name="Requires">Components whose XCR0 bits must be set too.</param>
/// <param name="Group">Components whose XCR0 bits must equal this one's, itself included; empty when alone.</param>
/// <param name="Excludes">Components that may not be enabled together with it.</param>
/// <param name="Features">CPUID features any one of which brings the component; empty where none is defined.</param>
/// <param name="XsaveEnabled">
/// Whether the component's instructions fault (MPX: do nothing) while its XCR0 bit is clear. PKRU and the supervisor components are only
/// XSAVE-<i>managed</i>: their registers work whatever XCR0 says (SDM Vol. 1, 13.1).
/// </param>
public sealed record StateComponentInfo(
    StateComponent Component,
    string Name,
    EnabledBy EnabledBy,
    int Size,
    StateComponentSet Requires,
    StateComponentSet Group,
    StateComponentSet Excludes,
    ImmutableArray<CpuidFeature> Features,
    bool XsaveEnabled)
{
    /// <summary>The component as a set of one.</summary>
    public StateComponentSet Bit => Of(Component);

    /// <summary>Whether a CPUID table has a feature that brings the component.</summary>
    public bool IsAnnouncedBy(CpuidTable cpuid)
    {
        foreach (CpuidFeature feature in Features)
        {
            if (feature.IsIn(cpuid))
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>
    /// The first eight bytes of the initial configuration (SDM Vol. 1, 13.6): what a restore gives the component when the image does not
    /// have it. Everything else of every component is zero then, but for the x87 control word (<see cref="XsaveFormat.InitialFcw"/>).
    /// </summary>
    public ulong InitialValue { get; init; }
}

/// <summary>The catalogue of state components: one row each, read by layouts, rules, models, reports and documentation.</summary>
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
        new(component, name, EnabledBy.Xcr0, size, requires, group, excludes, features, xsaveEnabled);

    private static StateComponentInfo Supervisor(
        StateComponent component, string name, int size, params ImmutableArray<CpuidFeature> features) =>
        new(component, name, EnabledBy.Xss, size, Empty, Empty, Empty, features, XsaveEnabled: false);

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
