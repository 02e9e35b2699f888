using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Hypervisors;

/// <summary>What is known of one difference.</summary>
/// <param name="Difference">The difference.</param>
/// <param name="Id">Its stable id in output and documentation.</param>
/// <param name="Effect">What users see.</param>
/// <param name="Affected">The releases that have it, for people.</param>
/// <param name="Probe">How to find out on a live kernel.</param>
/// <param name="Source">Commit or measurement.</param>
/// <param name="AppliesTo">The releases that have it, for the model.</param>
public sealed record KernelDifferenceInfo(
    KernelDifference Difference, string Id, string Effect, string Affected, string Probe, string Source, Func<KernelRelease, bool> AppliesTo);

/// <summary>The table of differences. A release number is only a way to look a set of them up.</summary>
public static class KernelDifferences
{
    /// <summary>All differences, in the order of the enumeration.</summary>
    public static ImmutableArray<KernelDifferenceInfo> All { get; } =
    [
        new(KernelDifference.KvmGetRaw, "KVM-GET-RAW",
            "KVM_GET_XSAVE copies the 512 legacy bytes as they lie in the kernel's buffer: software bytes come back as they were set, and bytes of components whose bit is clear may be stale.",
            "up to 5.15", "KVM_SET_XSAVE with bytes 464 to 511 set and XSTATE_BV 0; KVM_GET_XSAVE returns them",
            "fill_xsave and load_xsave, removed by adc997b3d66d (5.16); measured on 5.10 and 5.15",
            r => !r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmGetNoTrim, "KVM-GET-NOTRIM",
            "KVM_GET_XSAVE returns every component of the host that is in use, also those that the guest's CPUID hides; smaller hosts then refuse the image.",
            "5.16", "fresh vCPU, CPUID 0xD.0 EAX=3, KVM_SET_XSAVE with bit 2, KVM_GET_XSAVE still has bit 2",
            "ea4d6938d4c0 (5.16); ended by ad856280ddea (5.17). Its backport 72f0eb735e83 was in the queue of 5.16.15 and is not in that release, nor in another of the series that is known",
            r => r is { Major: 5, Minor: 16 }),
        new(KernelDifference.KvmSetStrictCpuid, "KVM-SET-STRICT-CPUID",
            "KVM_SET_XSAVE refuses components that the guest's CPUID hides, although the host has them.",
            "5.17 to 6.5, but not 6.1.60 and later, nor 6.5.9 and later",
            "fresh vCPU, CPUID 0xD.0 EAX=3, KVM_SET_XSAVE with XSTATE_BV=7 answers EINVAL",
            "988896bb6182 and ad856280ddea (5.17); ended by 18164f66e6c5 and 8647c52e9504 (6.6); measured on 5.19, 6.2 and 6.5.0",
            IsStrict),
        new(KernelDifference.KvmSetFpSseReject, "KVM-SET-FPSSE-REJECT",
            "For a guest without XSAVE in its CPUID even bits 0 and 1 are refused.",
            "5.17 to 5.19.11", "CPUID without leaf 0xD, KVM_SET_XSAVE with XSTATE_BV=3 answers EINVAL",
            "a1020a25e697 and ee519b3a2ae3 (6.0-rc7, 5.19.12) ended it; 5.19.0-50 of Ubuntu already accepts (measured)",
            r => IsStrict(r) && !r.IsAtLeast(6, 0) && !r.IsStableAtLeast(5, 19, 12)),
        new(KernelDifference.KvmGetNoCpuid, "KVM-GET-NOCPUID",
            "Before KVM_SET_CPUID2 KVM_GET_XSAVE returns all components of the host; other kernels return x87 and SSE at most.",
            "5.16 to 6.5, but not 6.1.60 and later, nor 6.5.9 and later", "no CPUID, KVM_SET_XSAVE with XSTATE_BV=7, KVM_GET_XSAVE still has bit 2",
            "follows from user_xfeatures starting at the host's set; measured on 5.19 and 6.5.0",
            r => r.IsAtLeast(5, 16) && !HasTrimInGet(r)),
        new(KernelDifference.KvmSetHeaderStrict, "KVM-SET-HDR-STRICT",
            "An image with reserved header bytes set is refused; before, they were ignored.",
            "5.16 and later", "KVM_SET_XSAVE with byte 528 = 1 answers EINVAL", "validate_user_xstate_header in KVM's path since ea4d6938d4c0 (5.16); measured",
            r => r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmSetXcomp, "KVM-SET-XCOMP",
            "An image with XCOMP_BV set is refused; before, the field was ignored.",
            "5.16 and later", "KVM_SET_XSAVE with XCOMP_BV bit 63 answers EINVAL", "validate_user_xstate_header in KVM's path since ea4d6938d4c0 (5.16); measured",
            r => r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmSetMxcsrLazy, "KVM-SET-MXCSR-LAZY",
            "MXCSR is checked and taken only if XSTATE_BV has x87, SSE or AVX, and returned only with SSE or AVX; before, always.",
            "5.16 and later", "KVM_SET_XSAVE with XSTATE_BV=0 and MXCSR=0xffff0000 succeeds", "copy_uabi_to_xstate in KVM's path since ea4d6938d4c0 (5.16); measured",
            r => r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmGetSoftwareMask, "KVM-GET-SWMASK",
            "Bytes 464 to 471 of a returned image hold the host's user feature mask, which tells what the source host had.",
            "5.16 and later", "the u64 at 464 of KVM_GET_XSAVE is not zero", "xstate_fx_sw_bytes; measured",
            r => r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmXsaveDynamic, "KVM-XSAVE-DYN",
            "Tile data needs the process's permission and the guest's CPUID; the vCPU's buffer then exceeds 4096 bytes, KVM_GET_XSAVE refuses and KVM_SET_XSAVE reads the larger size.",
            "5.17 and later", "KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) is not zero", "KVM_CAP_XSAVE2 (5.17)",
            r => r.IsAtLeast(5, 17)),
        new(KernelDifference.KvmSetPkruKeep, "KVM-SET-PKRU-KEEP",
            "With bit 9 clear KVM_SET_XSAVE leaves PKRU as it was, while every other absent component is initialised: a re-used vCPU keeps a stale PKRU.",
            "all", "KVM_SET_XSAVE with bits 0x203 and PKRU=4; KVM_SET_XSAVE with bits 3; KVM_RUN with immediate_exit; KVM_GET_XSAVE shows PKRU 4",
            "kept on purpose by d7e5aceace51 (6.2, case 3); measured on 5.10 and 6.1",
            _ => true),
        new(KernelDifference.KvmGetPkruXinuse, "KVM-GET-PKRU-XINUSE",
            "Bit 9 of a returned image says whether the VMM thread's own PKRU is in use, not the guest's: with a thread PKRU of 0 a processor that tracks values loses the guest's PKRU.",
            "all; depends on the processor", "set PKRU=4, WRPKRU 0 in the thread, KVM_RUN with immediate_exit, KVM_GET_XSAVE lacks bit 9",
            "kvm_load_guest_fpu leaves PKRU out and the switch gives the thread's back before the buffer is saved (read from 5.0 to 6.18)",
            _ => true),
        new(KernelDifference.KvmSetXfdNm, "KVM-SET-XFD-NM",
            "An image with bit 18 for a vCPU whose IA32_XFD disables it is accepted and then faults in the host kernel: a warning, or a panic.",
            "5.17 to 6.18, but not 6.1.162, 6.6.122, 6.12.67, 6.18.7 and later", "never probed: it can harm the host",
            "b45f72177594 (6.19-rc6) clears the bits; the change logs of 6.1.162, 6.6.122, 6.12.67 and 6.18.7 have it",
            r => r.IsAtLeast(5, 17) && !r.IsAtLeast(6, 19) && !r.IsStableAtLeast(6, 18, 7) && !r.IsStableAtLeast(6, 12, 67) && !r.IsStableAtLeast(6, 6, 122)
                && !r.IsStableAtLeast(6, 1, 162)),
        new(KernelDifference.KvmXtileHalf, "KVM-XTILE-HALF",
            "KVM_GET_SUPPORTED_CPUID shows XTILECFG without XTILEDATA until permission is asked for; a guest that enables every announced bit takes #GP.",
            "5.17 to 6.3", "bits 17 and 18 of 0xD.0 EAX differ in KVM_GET_SUPPORTED_CPUID", "kvm_get_filtered_xcr0 (6.4) ended it",
            r => r.IsAtLeast(5, 17) && !r.IsAtLeast(6, 4)),
        new(KernelDifference.KvmXssZero, "KVM-XSS-ZERO",
            "IA32_XSS accepts only 0.", "before 6.18", "KVM_GET_SUPPORTED_CPUID 0xD.1 ECX has neither bit 11 nor 12", "69cc3e886582 (6.18) ended it",
            r => !r.IsAtLeast(6, 18)),
        new(KernelDifference.KvmXssNeedsCpuid, "KVM-XSS-NEEDS-CPUID",
            "IA32_XSS cannot be set before the guest's CPUID has XSAVES, and takes no bit that 0xD.1 lacks; KVM_SET_MSRS returns a short count. Where KVM offers no CET at all even 0 is refused.",
            "6.18 and later", "KVM_SET_MSRS of IA32_XSS before KVM_SET_CPUID2 processes 0: with 0 where the host has no CET, with what is offered elsewhere",
            "CET series (6.18); measured on 7.2, and on kvm_pvm 6.18, which takes XSAVES away from every guest",
            r => r.IsAtLeast(6, 18)),
        new(KernelDifference.KvmOneRegister, "KVM-ONE-REG",
            "KVM_GET_ONE_REG and KVM_SET_ONE_REG reach MSRs and the guest's shadow-stack pointer, which is no MSR; before, both and KVM_GET_REG_LIST answer EINVAL.",
            "6.18 and later", "KVM_GET_REG_LIST on a vCPU succeeds", "CET series (6.18); measured on 6.1, 6.12, 6.18 and 7.2",
            r => r.IsAtLeast(6, 18)),
        new(KernelDifference.KvmInitXssZero, "KVM-INIT-XSS-ZERO",
            "INIT zeroes IA32_XSS although the manual keeps it.", "before 5.17", "none: only 0 was accepted then", "be4f3b3f8227 (5.17) ended it",
            r => !r.IsAtLeast(5, 17)),
        new(KernelDifference.KvmInitCet, "KVM-INIT-CET",
            "INIT zeroes CET_U and CET_S.", "6.18 and later", "none before", "CET series (6.18); case 4",
            r => r.IsAtLeast(6, 18)),
        new(KernelDifference.KvmCpuidAfterRun, "KVM-CPUID-AFTER-RUN",
            "Once the guest has run a changed CPUID is refused, and KVM_SET_CPUID2 with what KVM_GET_CPUID2 returns changes nothing. KVM_RUN with immediate_exit does not count.",
            "5.16 and later", "KVM_RUN that enters the guest, then KVM_SET_CPUID2 with another table", "63f5a1909f9e (5.16), c6617c61e8fe (5.17)",
            r => r.IsAtLeast(5, 16)),
        new(KernelDifference.KvmCpuidNoRepeat, "KVM-CPUID-NO-REPEAT",
            "Once the guest has run every KVM_SET_CPUID2 is refused, also the one that is in force.",
            "5.16", "KVM_RUN that enters the guest, then KVM_SET_CPUID2 with the same table", "63f5a1909f9e (5.16); c6617c61e8fe (5.17) ended it",
            r => r is { Major: 5, Minor: 16 }),
        new(KernelDifference.KvmCr4NoCpuid, "KVM-CR4-NOCPUID",
            "Before KVM_SET_CPUID2 CR4 takes every bit that the host has; other kernels check it against the empty CPUID.",
            "up to 6.13", "fresh vCPU, KVM_SET_SREGS with CR4.OSXSAVE succeeds",
            "ended by 85e5ba83c016 (6.14), which works out the reserved bits when a vCPU is made; measured on 6.1, 6.12 and 7.2",
            r => !r.IsAtLeast(6, 14)),
        new(KernelDifference.KvmEferNeedsCpuid, "KVM-EFER-CPUID",
            "KVM_SET_SREGS with EFER.LME is refused unless the guest's CPUID has LM; before, only the control registers had to fit each other.",
            "7.3 and later, 7.2.13 (the first of 7.2 is not known), 6.12.112 and later", "fresh vCPU, KVM_SET_SREGS with EFER.LME answers EINVAL",
            "184bd464bdb6 (July 2026); absent on 6.1.192, 6.12.43 and 6.12.107, present on 6.12.117 and 7.2.13 (measured)",
            r => r.IsAtLeast(7, 3) || r.IsStableAtLeast(7, 2, 13) || r.IsStableAtLeast(6, 12, 112)),
        new(KernelDifference.KvmProtectedZero, "KVM-PROT-ZERO",
            "For a protected guest KVM_GET_XSAVE succeeds with zeros and KVM_SET_XSAVE does nothing.",
            "5.11 and later, for VM types without has_protected_state", "VM type and KVM_GET_XSAVE", "fpstate_is_confidential",
            r => r.IsAtLeast(5, 11)),
        new(KernelDifference.KvmProtectedEinval, "KVM-PROT-EINVAL",
            "For VM types with protected state both calls answer EINVAL.",
            "about 6.10 and later", "VM type and KVM_GET_XSAVE", "has_protected_state",
            r => r.IsAtLeast(6, 10)),
        new(KernelDifference.KvmPkruWide, "KVM-PKRU-WIDE",
            "The guest's PKRU is live around the inner entry loop with interrupts off, where an NMI can hit on SVM too.",
            "6.19 and later", "none", "7649412af3ea (6.19)",
            r => r.IsAtLeast(6, 19)),
        new(KernelDifference.KvmPvmHostCpuid, "KVM-PVM-HOST-CPUID",
            "The guest keeps the host's CPUID whatever KVM_SET_CPUID2 says.",
            "the kvm_pvm flavour", "KVM_SET_CPUID2 with a narrowed 0xD.0, KVM_GET_CPUID2 returns the host's", "measured on kvm_pvm 6.18",
            _ => false),
        new(KernelDifference.PtracePkruIgnored, "PTRACE-PKRU-IGN",
            "A PKRU written through PTRACE_SETREGSET is ignored, although reads show the true value.",
            "5.14 to 6.1.5, but not 5.15.88 and later", "write PKRU of a child and read it back", "e84ba47e313d (5.14); ended by 4a804c4f8356 (6.2, 6.1.6, 5.15.88)",
            r => r.IsAtLeast(5, 14) && !HasPtracePkru(r)),
        new(KernelDifference.PtracePkruInit, "PTRACE-PKRU-INIT",
            "A ptrace write with bit 9 clear sets PKRU to 0, as XRSTOR would.",
            "up to 5.13, where XRSTOR did it; 6.2 and later, 6.1.6 and later, 5.15.88 and later", "write with bit 9 clear and read back",
            "d7e5aceace51 (6.2); before e84ba47e313d (5.14) PKRU was restored with all other state",
            r => !r.IsAtLeast(5, 14) || HasPtracePkru(r)),
        new(KernelDifference.PtraceSizeEfault, "PTRACE-SIZE-EFAULT",
            "An xstate regset shorter than the host's is refused with EFAULT, unless its length is no multiple of 8: that is EINVAL. Before, the bytes that were given replaced those of the state.",
            "4.8 and later", "PTRACE_SETREGSET with eight bytes less", "91c3dba7dbc1 (4.8); measured on 6.1, 6.12 and 6.18",
            r => r.IsAtLeast(4, 8)),
        new(KernelDifference.PtraceLenient, "PTRACE-LENIENT",
            "A ptrace write with MXCSR bits that the host lacks is taken without them, and a write with a bad header leaves the initial state behind; later kernels refuse both and change nothing.",
            "up to 5.13", "PTRACE_SETREGSET with MXCSR=0xffff0000 succeeds", "xstateregs_set before 'x86/fpu: Sanitize xstateregs_set()' (June 2021, 5.14) masked MXCSR and reset the state on failure",
            r => !r.IsAtLeast(5, 14)),
        new(KernelDifference.SignalPkruForced, "SIG-PKRU-FORCED",
            "A signal frame has bit 9 in XSTATE_BV whatever PKRU holds. 6.12 without it writes frames with all keys open (SIG-KEYS-OPEN), and on processors that track values, AMD's, bit 9 tells of that PKRU of 0: every sigreturn loses the thread's own.",
            "6.13 and later, 6.12.5 and later", "PKRU 0 in a thread, signal, XSTATE_BV of the frame", "ae6012d72fa6 (6.13, 6.12.5)",
            r => r.IsAtLeast(6, 13) || r.IsStableAtLeast(6, 12, 5)),
        new(KernelDifference.SignalKeysOpen, "SIG-KEYS-OPEN",
            "A signal's frame is written and read with all protection keys open. Before, a thread whose PKRU forbids writes with key 0 got SIGSEGV for every signal, and one whose frame forbids reads with it got SIGSEGV in sigreturn.",
            "6.12 and later", "PKRU of a thread forbids writes with key 0, signal with a handler", "70044df250d0, d10b554919d4 (6.12); measured on 6.1, 6.12 and 6.18",
            r => r.IsAtLeast(6, 12)),
        new(KernelDifference.SignalPkuWithoutXcr0, "SIG-PKU-NO-XCR0",
            "A guest kernel that sees PKU without bit 9 in 0xD.0 fails every signal delivery.",
            "guest kernels 6.12 and later", "CPUID 7.0 ECX[3] set and 0xD.0 EAX[9] clear", "ae6012d72fa6; case 1",
            r => r.IsAtLeast(6, 12)),
        new(KernelDifference.X86FpuNoPku, "X86FPU-NOPKU",
            "With protection keys off on the command line XCR0 bit 9 stays set.",
            "before 6.6", "XGETBV against OSPKE", "18032b47adf1 (6.6)",
            r => !r.IsAtLeast(6, 6)),
    ];

    /// <summary>The row of a difference.</summary>
    public static KernelDifferenceInfo Get(KernelDifference difference) => All[(int)difference];

    /// <summary>The row with an id (any case), or null.</summary>
    public static KernelDifferenceInfo? Find(string id) => All.FirstOrDefault(info => string.Equals(info.Id, id, StringComparison.OrdinalIgnoreCase));

    // 8647c52e9504 with its stable backports: trimming moved to KVM_GET_XSAVE.
    private static bool HasTrimInGet(KernelRelease r) => r.IsAtLeast(6, 6) || r.IsStableAtLeast(6, 5, 9) || r.IsStableAtLeast(6, 1, 60);

    private static bool IsStrict(KernelRelease r) => r.IsAtLeast(5, 17) && !HasTrimInGet(r);

    private static bool HasPtracePkru(KernelRelease r) => r.IsAtLeast(6, 2) || r.IsStableAtLeast(6, 1, 6) || r.IsStableAtLeast(5, 15, 88);
}
