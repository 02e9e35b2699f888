using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Processor;

/// <summary>What RESET does to a component's registers. Power-up and RESET do the same.</summary>
internal enum ResetEffect
{
    /// <summary>The registers get the initial configuration of the XSAVE feature set.</summary>
    InitialConfiguration,

    /// <summary>
    /// The x87 registers get FCW 0040h, all tags "zero" (5555h) and zero contents, which is not their initial configuration.
    /// </summary>
    X87PowerUp,
}

/// <summary>What INIT does to a component's registers.</summary>
internal enum InitEffect
{
    /// <summary>The registers keep their values.</summary>
    Unchanged,

    /// <summary>The registers get the initial configuration of the XSAVE feature set.</summary>
    InitialConfiguration,
}

/// <summary>The row of one component.</summary>
/// <param name="Component">The component.</param>
/// <param name="Reset">At power-up and RESET.</param>
/// <param name="Init">At INIT.</param>
/// <param name="Source">Where that is known from.</param>
internal sealed record ComponentReset(StateComponent Component, ResetEffect Reset, InitEffect Init, string Source);

/// <summary>The row of one register that is not part of a component.</summary>
/// <param name="Register">The manual's name.</param>
/// <param name="ResetValue">The value at power-up and RESET.</param>
/// <param name="InitValue">The value at INIT, or null when INIT leaves it unchanged.</param>
/// <param name="Source">Where that is known from.</param>
internal sealed record ControlReset(ControlRegister Register, ulong ResetValue, ulong? InitValue, string Source)
{
    /// <summary>Bits that INIT leaves as they are while it gives the others their value.</summary>
    public ulong InitKeeps { get; init; }
}

/// <summary>
/// RESET and INIT as one table (SDM Vol. 3A, table 10-1, "processor states following power-up, reset, or INIT"). Models iterate it over
/// what a processor supports instead of listing components of their own: a list is what let one hypervisor clear MPX and forget CET.
/// </summary>
internal static class ResetTable
{
    private const string Sdm = "SDM Vol. 3A, processor states following power-up, reset, or INIT";

    /// <summary>Every component that a manual names, by bit.</summary>
    public static ImmutableArray<ComponentReset> Components { get; } =
    [
        // component, RESET, INIT, source
        new(StateComponent.X87, ResetEffect.X87PowerUp, InitEffect.Unchanged, Sdm),
        Kept(StateComponent.Sse, Sdm),
        Kept(StateComponent.Avx, Sdm),

        // KVM clears these two on INIT since 2014 and split them from RESET in 6.10.
        Cleared(StateComponent.BndRegs, Sdm),
        Cleared(StateComponent.BndCsr, Sdm),
        Kept(StateComponent.Opmask, Sdm),
        Kept(StateComponent.ZmmHi256, Sdm),
        Kept(StateComponent.Hi16Zmm, Sdm),
        Kept(StateComponent.Pt, "SDM Vol. 3C, Intel PT: RESET clears the configuration, INIT does not"),
        Kept(StateComponent.Pkru, "Sandpile; Bochs cpu/init.cc"),
        Kept(StateComponent.Pasid, "not stated; treated as every MSR that the table does not name"),

        // KVM clears CET on INIT since 6.18.
        Cleared(StateComponent.CetU, Sdm),
        Cleared(StateComponent.CetS, Sdm),
        Kept(StateComponent.Hdc, "not stated; treated as every MSR that the table does not name"),
        Cleared(StateComponent.Uintr, "Bochs cpu/init.cc"),
        Kept(StateComponent.Lbr, "SDM Vol. 3B, architectural LBRs: only LBREn is affected by a warm reset"),
        Kept(StateComponent.Hwp, "not stated; treated as every MSR that the table does not name"),
        Kept(StateComponent.TileCfg, Sdm),
        Kept(StateComponent.TileData, Sdm),
        Kept(StateComponent.Apx, "Sandpile"),
        Kept(StateComponent.Lwp, "not stated; treated as every register that the table does not name"),
    ];

    /// <summary>Registers outside the components.</summary>
    public static ImmutableArray<ControlReset> Registers { get; } =
    [
        // register, RESET, INIT, source
        // The table's own note, which some revisions contradict by listing CD and NW as set: at INIT they are unchanged. KVM does so since
        // 5.15.
        new(ControlRegister.Cr0, (ulong)(Cr0.CacheDisable | Cr0.NotWriteThrough | Cr0.ExtensionType), (ulong)Cr0.ExtensionType, Sdm)
        {
            InitKeeps = (ulong)(Cr0.CacheDisable | Cr0.NotWriteThrough),
        },
        new(ControlRegister.Cr4, 0, 0, Sdm),
        new(ControlRegister.Mxcsr, Architecture.Mxcsr.Initial, null, Sdm),
        new(ControlRegister.Xcr0, 1, null, Sdm),

        // Revision 075 corrected INIT from "zero" to "unchanged": quirk init-clears-xss.
        new(ControlRegister.Xss, 0, null, "SDM Vol. 3A since revision 075; KVM be4f3b3f8227"),
        new(ControlRegister.Xfd, 0, null, "SDM Vol. 1, 13.14 (RESET)"),
        new(ControlRegister.XfdErr, 0, null, "SDM Vol. 1, 13.14 (RESET)"),
        new(ControlRegister.Pkrs, 0, 0, "KVM PKS series"),
        new(ControlRegister.Efer, 0, 0, Sdm),
    ];

    /// <summary>The row of a component. Components that no manual names yet start initial and survive INIT, as most do.</summary>
    public static ComponentReset Of(StateComponent component)
    {
        foreach (ComponentReset row in Components)
        {
            if (row.Component == component)
            {
                return row;
            }
        }

        return Kept(component, "not named by any manual");
    }

    /// <summary>Which of the supported components INIT gives their initial configuration.</summary>
    public static StateComponentSet InitializedByInit(StateComponentSet supported)
    {
        StateComponentSet cleared = StateComponentSet.Empty;
        foreach (StateComponent component in supported)
        {
            cleared = Of(component).Init == InitEffect.InitialConfiguration ? cleared.With(component) : cleared;
        }

        return cleared;
    }

    private static ComponentReset Kept(StateComponent component, string source) =>
        new(component, ResetEffect.InitialConfiguration, InitEffect.Unchanged, source);

    private static ComponentReset Cleared(StateComponent component, string source) =>
        new(component, ResetEffect.InitialConfiguration, InitEffect.InitialConfiguration, source);
}
