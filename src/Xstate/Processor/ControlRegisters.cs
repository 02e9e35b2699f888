namespace Xstate.Processor;

/// <summary>The bits of CR0 that these instructions look at (SDM Vol. 3A, 2.5). Other bits may be set and are kept.</summary>
[Flags]
public enum Cr0 : ulong
{
    /// <summary>No bit.</summary>
    None = 0,

    /// <summary>PE: protected mode.</summary>
    ProtectionEnable = 1UL << 0,

    /// <summary>EM: no x87; FXSAVE and FXRSTOR raise #NM, the XSAVE family ignores it.</summary>
    Emulation = 1UL << 2,

    /// <summary>TS: state belongs to another task; every instruction here but XGETBV, XSETBV, RDPKRU and WRPKRU raises #NM.</summary>
    TaskSwitched = 1UL << 3,

    /// <summary>ET: hardwired to 1.</summary>
    ExtensionType = 1UL << 4,

    /// <summary>WP: supervisor writes respect read-only pages, and the write-disable bit of a protection key.</summary>
    WriteProtect = 1UL << 16,

    /// <summary>NW.</summary>
    NotWriteThrough = 1UL << 29,

    /// <summary>CD.</summary>
    CacheDisable = 1UL << 30,

    /// <summary>PG.</summary>
    Paging = 1UL << 31,
}

/// <summary>The bits of CR4 that these instructions look at (SDM Vol. 3A, 2.5). Other bits may be set and are kept.</summary>
[Flags]
public enum Cr4 : ulong
{
    /// <summary>No bit.</summary>
    None = 0,

    /// <summary>OSFXSR: FXSAVE and FXRSTOR include the XMM registers.</summary>
    OsFxsr = 1UL << 9,

    /// <summary>OSXSAVE: enables XGETBV, XSETBV and the XSAVE family; mirrored by CPUID.1:ECX[27].</summary>
    OsXsave = 1UL << 18,

    /// <summary>PKE: PKRU is checked, RDPKRU and WRPKRU work; mirrored by CPUID.7.0:ECX[4].</summary>
    ProtectionKeys = 1UL << 22,

    /// <summary>CET: control-flow enforcement; may not be set while CR0.WP is clear.</summary>
    ControlFlowEnforcement = 1UL << 23,

    /// <summary>PKS: IA32_PKRS is checked.</summary>
    SupervisorKeys = 1UL << 24,

    /// <summary>UINTR: user interrupts.</summary>
    UserInterrupts = 1UL << 25,
}
