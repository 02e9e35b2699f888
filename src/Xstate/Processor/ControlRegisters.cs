namespace Xstate.Processor;

/// <summary>The bits of CR0 that these instructions look at (SDM Vol. 3A, 2.5). Other bits may be set and are kept.</summary>
[Flags]
public enum Cr0 : ulong
{
    /// <summary>No bit.</summary>
    None = 0,

    /// <summary>PE: protected mode.</summary>
    ProtectionEnable = 1UL << 0,

    /// <summary>MP: WAIT respects TS.</summary>
    MonitorCoprocessor = 1UL << 1,

    /// <summary>EM: no x87; FXSAVE and FXRSTOR raise #NM, the XSAVE family ignores it.</summary>
    Emulation = 1UL << 2,

    /// <summary>TS: state belongs to another task; every instruction here but XGETBV, XSETBV, RDPKRU and WRPKRU raises #NM.</summary>
    TaskSwitched = 1UL << 3,

    /// <summary>ET: hardwired to 1.</summary>
    ExtensionType = 1UL << 4,

    /// <summary>NE: x87 errors raise #MF; without it they go to the interrupt controller. Under VMX it counts as set.</summary>
    NumericError = 1UL << 5,

    /// <summary>WP: supervisor writes respect read-only pages, and the write-disable bit of a protection key.</summary>
    WriteProtect = 1UL << 16,

    /// <summary>AM: alignment is checked at CPL 3 while EFLAGS.AC is set.</summary>
    AlignmentMask = 1UL << 18,

    /// <summary>NW.</summary>
    NotWriteThrough = 1UL << 29,

    /// <summary>CD.</summary>
    CacheDisable = 1UL << 30,

    /// <summary>PG.</summary>
    Paging = 1UL << 31,

    /// <summary>Every bit that exists.</summary>
    All = ProtectionEnable | MonitorCoprocessor | Emulation | TaskSwitched | ExtensionType | NumericError | WriteProtect | AlignmentMask
        | NotWriteThrough | CacheDisable | Paging,
}

/// <summary>The bits of CR4 that these instructions look at (SDM Vol. 3A, 2.5). Other bits may be set and are kept.</summary>
[Flags]
public enum Cr4 : ulong
{
    /// <summary>No bit.</summary>
    None = 0,

    /// <summary>PAE: needed by paging of long mode.</summary>
    PhysicalAddressExtension = 1UL << 5,

    /// <summary>OSFXSR: FXSAVE and FXRSTOR include the XMM registers.</summary>
    OsFxsr = 1UL << 9,

    /// <summary>UMIP: SGDT, SIDT, SLDT, SMSW and STR are for CPL 0 only.</summary>
    UserModeInstructionPrevention = 1UL << 11,

    /// <summary>LA57: paging of long mode has five levels.</summary>
    FiveLevelPaging = 1UL << 12,

    /// <summary>VMXE: VMX.</summary>
    VirtualMachineExtensions = 1UL << 13,

    /// <summary>SMXE: safer-mode extensions.</summary>
    SaferModeExtensions = 1UL << 14,

    /// <summary>FSGSBASE: RDFSBASE and its like.</summary>
    FsGsBase = 1UL << 16,

    /// <summary>PCIDE: process-context identifiers.</summary>
    ProcessContextIdentifiers = 1UL << 17,

    /// <summary>OSXSAVE: enables XGETBV, XSETBV and the XSAVE family; mirrored by CPUID.1:ECX[27].</summary>
    OsXsave = 1UL << 18,

    /// <summary>SMEP: CPL 0 cannot execute user pages.</summary>
    ExecutionPrevention = 1UL << 20,

    /// <summary>SMAP: CPL 0 cannot reach the data of user pages while EFLAGS.AC is clear.</summary>
    AccessPrevention = 1UL << 21,

    /// <summary>PKE: PKRU is checked, RDPKRU and WRPKRU work; mirrored by CPUID.7.0:ECX[4].</summary>
    ProtectionKeys = 1UL << 22,

    /// <summary>CET: control-flow enforcement; may not be set while CR0.WP is clear.</summary>
    ControlFlowEnforcement = 1UL << 23,

    /// <summary>PKS: IA32_PKRS is checked.</summary>
    SupervisorKeys = 1UL << 24,

    /// <summary>UINTR: user interrupts.</summary>
    UserInterrupts = 1UL << 25,

    /// <summary>LAM_SUP: supervisor addresses may carry metadata.</summary>
    SupervisorAddressMasking = 1UL << 28,
}
