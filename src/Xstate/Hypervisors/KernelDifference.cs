namespace Xstate.Hypervisors;

/// <summary>
/// One named way in which kernels differ at the borders that extended state crosses. The names in output are the ids of <see cref="KernelDifferences"/>; a recorded host carries what was probed
/// there, which wins over its release number, because distributions backport freely.
/// </summary>
public enum KernelDifference
{
    /// <summary>KVM-GET-RAW: KVM_GET_XSAVE returns the legacy region as it lies in the kernel's buffer.</summary>
    KvmGetRaw,

    /// <summary>KVM-GET-NOTRIM: KVM_GET_XSAVE does not trim to the guest's CPUID.</summary>
    KvmGetNoTrim,

    /// <summary>KVM-SET-STRICT-CPUID: KVM_SET_XSAVE refuses what the guest's CPUID hides.</summary>
    KvmSetStrictCpuid,

    /// <summary>KVM-SET-FPSSE-REJECT: x87 and SSE too are refused for a guest without XSAVE.</summary>
    KvmSetFpSseReject,

    /// <summary>KVM-GET-NOCPUID: before KVM_SET_CPUID2 all host components are returned.</summary>
    KvmGetNoCpuid,

    /// <summary>KVM-SET-HDR-STRICT: reserved header bytes must be zero.</summary>
    KvmSetHeaderStrict,

    /// <summary>KVM-SET-XCOMP: a compacted image is refused.</summary>
    KvmSetXcomp,

    /// <summary>KVM-SET-MXCSR-LAZY: MXCSR is looked at only with x87, SSE or AVX in XSTATE_BV.</summary>
    KvmSetMxcsrLazy,

    /// <summary>KVM-GET-SWMASK: the host's user feature mask is returned at byte 464.</summary>
    KvmGetSoftwareMask,

    /// <summary>KVM-XSAVE-DYN: dynamic components, KVM_GET_XSAVE2 and buffers beyond 4096 bytes.</summary>
    KvmXsaveDynamic,

    /// <summary>KVM-SET-PKRU-KEEP: PKRU keeps its value when bit 9 is clear.</summary>
    KvmSetPkruKeep,

    /// <summary>KVM-GET-PKRU-XINUSE: bit 9 follows the VMM thread's PKRU.</summary>
    KvmGetPkruXinuse,

    /// <summary>KVM-SET-XFD-NM: tile data under XFD makes the host take #NM.</summary>
    KvmSetXfdNm,

    /// <summary>KVM-XTILE-HALF: XTILECFG is reported without XTILEDATA.</summary>
    KvmXtileHalf,

    /// <summary>KVM-XSS-ZERO: only IA32_XSS = 0 is accepted.</summary>
    KvmXssZero,

    /// <summary>KVM-XSS-NEEDS-CPUID: IA32_XSS needs XSAVES in the guest's CPUID first.</summary>
    KvmXssNeedsCpuid,

    /// <summary>KVM-ONE-REG: KVM_GET_ONE_REG and KVM_SET_ONE_REG reach MSRs and the guest's SSP.</summary>
    KvmOneRegister,

    /// <summary>KVM-INIT-XSS-ZERO: INIT zeroes IA32_XSS.</summary>
    KvmInitXssZero,

    /// <summary>KVM-INIT-CET: INIT zeroes the CET components.</summary>
    KvmInitCet,

    /// <summary>KVM-CPUID-AFTER-RUN: KVM_SET_CPUID2 after KVM_RUN is refused unless identical.</summary>
    KvmCpuidAfterRun,

    /// <summary>KVM-CPUID-NO-REPEAT: after KVM_RUN even the same KVM_SET_CPUID2 is refused.</summary>
    KvmCpuidNoRepeat,

    /// <summary>KVM-CR4-NOCPUID: before KVM_SET_CPUID2 CR4 may have every bit of the host.</summary>
    KvmCr4NoCpuid,

    /// <summary>KVM-EFER-CPUID: long mode in KVM_SET_SREGS needs LM in the guest's CPUID.</summary>
    KvmEferNeedsCpuid,

    /// <summary>KVM-PROT-ZERO: protected guests read as zeros.</summary>
    KvmProtectedZero,

    /// <summary>KVM-PROT-EINVAL: protected guests are refused.</summary>
    KvmProtectedEinval,

    /// <summary>KVM-PKRU-WIDE: the guest's PKRU stays live around the inner entry loop.</summary>
    KvmPkruWide,

    /// <summary>KVM-PVM-HOST-CPUID: kvm_pvm gives the guest the host's CPUID.</summary>
    KvmPvmHostCpuid,

    /// <summary>PTRACE-PKRU-IGN: PKRU written through ptrace is ignored.</summary>
    PtracePkruIgnored,

    /// <summary>PTRACE-PKRU-INIT: bit 9 clear in a ptrace write zeroes PKRU.</summary>
    PtracePkruInit,

    /// <summary>PTRACE-SIZE-EFAULT: a regset write of another size is refused with EFAULT.</summary>
    PtraceSizeEfault,

    /// <summary>PTRACE-LENIENT: a ptrace write drops foreign MXCSR bits, and a refused header resets the state.</summary>
    PtraceLenient,

    /// <summary>SIG-PKRU-FORCED: a signal frame always has bit 9.</summary>
    SignalPkruForced,

    /// <summary>SIG-KEYS-OPEN: signals are delivered and returned from with all protection keys open.</summary>
    SignalKeysOpen,

    /// <summary>SIG-PKU-NO-XCR0: signals fail when PKU is there without 0xD bit 9.</summary>
    SignalPkuWithoutXcr0,

    /// <summary>X86FPU-NOPKU: XCR0 bit 9 stays set although protection keys are off.</summary>
    X86FpuNoPku,
}
