namespace Xstate.Architecture;

/// <summary>
/// One state component of the XSAVE feature set, numbered by its bit in XCR0, IA32_XSS, RFBM, XSTATE_BV and XCOMP_BV
/// (SDM Vol. 1, 13.1; bit 62 is AMD's, APM Vol. 2, 11.5.2). Any number from 0 to 62 is a valid value: a processor may
/// enumerate components that have no name here yet.
/// </summary>
public enum StateComponent : byte
{
    /// <summary>x87 FPU and MMX state; always enabled in XCR0.</summary>
    X87 = 0,

    /// <summary>XMM registers; MXCSR follows rules of its own.</summary>
    Sse = 1,

    /// <summary>Upper halves of YMM0–YMM15.</summary>
    Avx = 2,

    /// <summary>MPX bound registers BND0–BND3.</summary>
    BndRegs = 3,

    /// <summary>MPX configuration and status, BNDCFGU and BNDSTATUS.</summary>
    BndCsr = 4,

    /// <summary>AVX-512 mask registers k0–k7.</summary>
    Opmask = 5,

    /// <summary>Upper halves of ZMM0–ZMM15.</summary>
    ZmmHi256 = 6,

    /// <summary>ZMM16–ZMM31.</summary>
    Hi16Zmm = 7,

    /// <summary>Intel Processor Trace MSRs.</summary>
    Pt = 8,

    /// <summary>Protection-key rights of user pages.</summary>
    Pkru = 9,

    /// <summary>IA32_PASID, used by ENQCMD.</summary>
    Pasid = 10,

    /// <summary>User CET state: IA32_U_CET and IA32_PL3_SSP.</summary>
    CetU = 11,

    /// <summary>Supervisor CET state: IA32_PL0_SSP to IA32_PL2_SSP.</summary>
    CetS = 12,

    /// <summary>Hardware duty cycling, IA32_PM_CTL1.</summary>
    Hdc = 13,

    /// <summary>User interrupts.</summary>
    Uintr = 14,

    /// <summary>Architectural last-branch records.</summary>
    Lbr = 15,

    /// <summary>Hardware P-states, IA32_HWP_REQUEST.</summary>
    Hwp = 16,

    /// <summary>AMX tile configuration.</summary>
    TileCfg = 17,

    /// <summary>AMX tile data; off by default on Linux (XFD).</summary>
    TileData = 18,

    /// <summary>APX extended general-purpose registers R16–R31.</summary>
    Apx = 19,

    /// <summary>AMD lightweight profiling (families 15h only).</summary>
    Lwp = 62,
}
