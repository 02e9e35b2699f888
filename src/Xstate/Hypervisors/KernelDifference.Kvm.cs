using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Hypervisors;

/// <content>Where the ioctls of /dev/kvm differ.</content>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed partial class KernelDifference
{
    /// <summary>KVM-GET-RAW: KVM_GET_XSAVE returns the legacy region as it lies in the kernel's buffer.</summary>
    internal static readonly KernelDifference KvmGetRaw = new("KVM-GET-RAW", Releases.Before(5, 16))
    {
        Effect = "KVM_GET_XSAVE copies the 512 legacy bytes as they lie in the kernel's buffer: software bytes come back as they were "
            + "set, and bytes of components whose bit is clear may be stale.",
        Probe = "KVM_SET_XSAVE with bytes 464 to 511 set and XSTATE_BV 0; KVM_GET_XSAVE returns them",
        Source = "fill_xsave and load_xsave, removed by adc997b3d66d (5.16); measured on 5.10 and 5.15",
    };

    /// <summary>KVM-GET-NOTRIM: KVM_GET_XSAVE does not trim to the guest's CPUID.</summary>
    internal static readonly KernelDifference KvmGetNoTrim = new("KVM-GET-NOTRIM", Releases.From(5, 16).Until(5, 17))
    {
        Effect = "KVM_GET_XSAVE returns every component of the host that is in use, also those that the guest's CPUID hides; smaller "
            + "hosts then refuse the image.",
        Probe = "fresh vCPU, CPUID 0xD.0 EAX=3, KVM_SET_XSAVE with bit 2, KVM_GET_XSAVE still has bit 2",
        Source = "ea4d6938d4c0 (5.16); ended by ad856280ddea (5.17). Its backport 72f0eb735e83 was in the queue of 5.16.15 and is not in "
            + "that release, nor in another of the series that is known",
        Decides = [Rules.HiddenComponents, Rules.UnusableState],
    };

    /// <summary>KVM-SET-STRICT-CPUID: KVM_SET_XSAVE refuses what the guest's CPUID hides.</summary>
    internal static readonly KernelDifference KvmSetStrictCpuid = new("KVM-SET-STRICT-CPUID",
        Releases.From(5, 17).Until(6, 6).Except(6, 1, 60).Except(6, 5, 9))
    {
        Effect = "KVM_SET_XSAVE refuses components that the guest's CPUID hides, although the host has them.",
        Probe = "fresh vCPU, CPUID 0xD.0 EAX=3, KVM_SET_XSAVE with XSTATE_BV=7 answers EINVAL",
        Source = "988896bb6182 and ad856280ddea (5.17); ended by 18164f66e6c5 and 8647c52e9504 (6.6); measured on 5.19, 6.2 and 6.5.0",
        Decides = [Rules.HiddenComponents],
    };

    /// <summary>KVM-SET-FPSSE-REJECT: x87 and SSE too are refused for a guest without XSAVE.</summary>
    internal static readonly KernelDifference KvmSetFpSseReject = new("KVM-SET-FPSSE-REJECT",
        Releases.From(5, 17).Until(6, 0).Except(5, 19, 12))
    {
        Effect = "For a guest without XSAVE in its CPUID even bits 0 and 1 are refused.",
        Probe = "CPUID without leaf 0xD, KVM_SET_XSAVE with XSTATE_BV=3 answers EINVAL",
        Source = "a1020a25e697 and ee519b3a2ae3 (6.0-rc7, 5.19.12) ended it; 5.19.0-50 of Ubuntu already accepts (measured)",
        Decides = [Rules.LegacyStateRefused],
    };

    /// <summary>KVM-SET-PKRU-DROP: KVM_SET_XSAVE clears bit 9 itself when the guest's CPUID lacks it.</summary>
    internal static readonly KernelDifference KvmSetPkruDrop = new("KVM-SET-PKRU-DROP", Releases.None)
    {
        Effect = "KVM_SET_XSAVE clears bit 9 of XSTATE_BV, before anything is checked, when the guest's CPUID hides PKRU: a leaked PKRU "
            + "loads even where the "
            + "host has none. Before KVM_SET_CPUID2 the guest has no CPUID, so that its PKRU is lost. Other hidden components are not "
                + "touched.",
        Note = "Proxmox from 6.2.16-5 on",
        Probe = "no CPUID, KVM_SET_XSAVE with bits 0x203 and PKRU=4; KVM_SET_CPUID2, KVM_RUN with immediate_exit, KVM_GET_XSAVE shows "
            + "another PKRU",
        Source = "1559d22f3510 of Proxmox (July 2023), in every package since; what it does before KVM_SET_CPUID2 follows from the "
            + "patch and was not run",
        Decides = [Rules.HiddenComponents, Rules.ForeignComponents],
    };

    /// <summary>KVM-GET-NOCPUID: before KVM_SET_CPUID2 all host components are returned.</summary>
    internal static readonly KernelDifference KvmGetNoCpuid = new("KVM-GET-NOCPUID",
        Releases.From(5, 16).Until(6, 6).Except(6, 1, 60).Except(6, 5, 9))
    {
        Effect = "Before KVM_SET_CPUID2 KVM_GET_XSAVE returns all components of the host; other kernels return x87 and SSE at most.",
        Probe = "no CPUID, KVM_SET_XSAVE with XSTATE_BV=7, KVM_GET_XSAVE still has bit 2",
        Source = "follows from user_xfeatures starting at the host's set; measured on 5.19 and 6.5.0",
    };

    /// <summary>KVM-SET-HDR-STRICT: reserved header bytes must be zero.</summary>
    internal static readonly KernelDifference KvmSetHeaderStrict = new("KVM-SET-HDR-STRICT", Releases.From(5, 16))
    {
        Effect = "An image with reserved header bytes set is refused; before, they were ignored.",
        Probe = "KVM_SET_XSAVE with byte 528 = 1 answers EINVAL",
        Source = "validate_user_xstate_header in KVM's path since ea4d6938d4c0 (5.16); measured",
        Decides = [Rules.ReservedHeaderBytes],
    };

    /// <summary>KVM-SET-XCOMP: a compacted image is refused.</summary>
    internal static readonly KernelDifference KvmSetXcomp = new("KVM-SET-XCOMP", Releases.From(5, 16))
    {
        Effect = "An image with XCOMP_BV set is refused; before, the field was ignored.",
        Probe = "KVM_SET_XSAVE with XCOMP_BV bit 63 answers EINVAL",
        Source = "validate_user_xstate_header in KVM's path since ea4d6938d4c0 (5.16); measured",
        Decides = [Rules.CompactedImage],
    };

    /// <summary>KVM-SET-MXCSR-LAZY: MXCSR is looked at only with x87, SSE or AVX in XSTATE_BV.</summary>
    internal static readonly KernelDifference KvmSetMxcsrLazy = new("KVM-SET-MXCSR-LAZY", Releases.From(5, 16))
    {
        Effect = "MXCSR is checked and taken only if XSTATE_BV has x87, SSE or AVX, and returned only with SSE or AVX; before, always.",
        Probe = "KVM_SET_XSAVE with XSTATE_BV=0 and MXCSR=0xffff0000 succeeds",
        Source = "copy_uabi_to_xstate in KVM's path since ea4d6938d4c0 (5.16); measured",
        Decides = [Rules.ReservedMxcsrBits, Rules.MxcsrReplaced],
    };

    /// <summary>KVM-GET-SWMASK: the host's user feature mask is returned at byte 464.</summary>
    internal static readonly KernelDifference KvmGetSoftwareMask = new("KVM-GET-SWMASK", Releases.From(5, 16))
    {
        Effect = "Bytes 464 to 471 of a returned image hold the host's user feature mask, which tells what the source host had.",
        Probe = "the u64 at 464 of KVM_GET_XSAVE is not zero",
        Source = "xstate_fx_sw_bytes; measured",
    };

    /// <summary>KVM-XSAVE-DYN: dynamic components, KVM_GET_XSAVE2 and buffers beyond 4096 bytes.</summary>
    internal static readonly KernelDifference KvmXsaveDynamic = new("KVM-XSAVE-DYN", Releases.From(5, 17))
    {
        Effect = "Tile data needs the process's permission and the guest's CPUID; the vCPU's buffer then exceeds 4096 bytes, "
            + "KVM_GET_XSAVE refuses and KVM_SET_XSAVE reads the larger size.",
        Probe = "KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) is not zero",
        Source = "KVM_CAP_XSAVE2 (5.17)",
        Decides = [Rules.DynamicComponentEarly, Rules.ShortImage, Rules.StateNeedsXsave2, Rules.NoGuestPermission, Rules.UnknownCall],
    };

    /// <summary>KVM-SET-PKRU-KEEP: PKRU keeps its value when bit 9 is clear.</summary>
    internal static readonly KernelDifference KvmSetPkruKeep = new("KVM-SET-PKRU-KEEP", Releases.All)
    {
        Effect = "With bit 9 clear KVM_SET_XSAVE leaves PKRU as it was, while every other absent component is initialised: a re-used "
            + "vCPU keeps a stale PKRU.",
        Probe = "KVM_SET_XSAVE with bits 0x203 and PKRU=4; KVM_SET_XSAVE with bits 3; KVM_RUN with immediate_exit; KVM_GET_XSAVE shows "
            + "PKRU 4",
        Source = "kept on purpose by d7e5aceace51 (6.2, case 3); measured on 5.10 and 6.1",
        Decides = [Rules.OldPkruKept],
    };

    /// <summary>KVM-GET-PKRU-XINUSE: bit 9 follows the VMM thread's PKRU.</summary>
    internal static readonly KernelDifference KvmGetPkruXinuse = new("KVM-GET-PKRU-XINUSE", Releases.All)
    {
        Effect = "Bit 9 of a returned image says whether the VMM thread's own PKRU is in use, not the guest's: with a thread PKRU of 0 a "
            + "processor that tracks values loses the guest's PKRU.",
        Note = "depends on the processor",
        Probe = "set PKRU=4, WRPKRU 0 in the thread, KVM_RUN with immediate_exit, KVM_GET_XSAVE lacks bit 9",
        Source = "kvm_load_guest_fpu leaves PKRU out and the switch gives the thread's back before the buffer is saved (read from 5.0 to "
            + "6.18)",
    };

    /// <summary>KVM-SET-XFD-NM: tile data under XFD makes the host take #NM.</summary>
    internal static readonly KernelDifference KvmSetXfdNm = new("KVM-SET-XFD-NM", Releases.From(5, 17).Until(6, 19).Except(6, 1, 162)
        .Except(6, 6, 122).Except(6, 12, 67).Except(6, 18, 7))
    {
        Effect = "An image with bit 18 for a vCPU whose IA32_XFD disables it is accepted and then faults in the host kernel: a warning, "
            + "or a panic.",
        Probe = "never probed: it can harm the host",
        Source = "b45f72177594 (6.19-rc6) clears the bits; the change logs of 6.1.162, 6.6.122, 6.12.67 and 6.18.7 have it",
        Decides = [Rules.TileDataUnderXfd],
    };

    /// <summary>KVM-XTILE-HALF: XTILECFG is reported without XTILEDATA.</summary>
    internal static readonly KernelDifference KvmXtileHalf = new("KVM-XTILE-HALF", Releases.From(5, 17).Until(6, 4))
    {
        Effect = "KVM_GET_SUPPORTED_CPUID shows XTILECFG without XTILEDATA until permission is asked for; a guest that enables every "
            + "announced bit takes #GP.",
        Probe = "bits 17 and 18 of 0xD.0 EAX differ in KVM_GET_SUPPORTED_CPUID",
        Source = "kvm_get_filtered_xcr0 (6.4) ended it",
    };

    /// <summary>KVM-XSS-ZERO: only IA32_XSS = 0 is accepted.</summary>
    internal static readonly KernelDifference KvmXssZero = new("KVM-XSS-ZERO", Releases.Before(6, 18))
    {
        Effect = "IA32_XSS accepts only 0.",
        Probe = "KVM_GET_SUPPORTED_CPUID 0xD.1 ECX has neither bit 11 nor 12",
        Source = "69cc3e886582 (6.18) ended it",
        Decides = [Rules.XssRefused, Rules.CetRegisterRefused],
    };

    /// <summary>KVM-XSS-NEEDS-CPUID: IA32_XSS needs XSAVES in the guest's CPUID first.</summary>
    internal static readonly KernelDifference KvmXssNeedsCpuid = new("KVM-XSS-NEEDS-CPUID", Releases.From(6, 18))
    {
        Effect = "IA32_XSS cannot be set before the guest's CPUID has XSAVES, and takes no bit that 0xD.1 lacks; KVM_SET_MSRS returns a "
            + "short count. Where KVM offers no CET at all even 0 is refused.",
        Probe = "KVM_SET_MSRS of IA32_XSS before KVM_SET_CPUID2 processes 0: with 0 where the host has no CET, with what is offered "
            + "elsewhere",
        Source = "CET series (6.18); measured on 7.2, and on kvm_pvm 6.18, which takes XSAVES away from every guest",
        Decides = [Rules.XssRefused],
    };

    /// <summary>KVM-ONE-REG: KVM_GET_ONE_REG and KVM_SET_ONE_REG reach MSRs and the guest's SSP.</summary>
    internal static readonly KernelDifference KvmOneRegister = new("KVM-ONE-REG", Releases.From(6, 18))
    {
        Effect = "KVM_GET_ONE_REG and KVM_SET_ONE_REG reach MSRs and the guest's shadow-stack pointer, which is no MSR; before, both and "
            + "KVM_GET_REG_LIST answer EINVAL.",
        Probe = "KVM_GET_REG_LIST on a vCPU succeeds",
        Source = "CET series (6.18); measured on 6.1, 6.12, 6.18 and 7.2",
        Decides = [Rules.CetRegisterRefused],
    };

    /// <summary>KVM-INIT-XSS-ZERO: INIT zeroes IA32_XSS.</summary>
    internal static readonly KernelDifference KvmInitXssZero = new("KVM-INIT-XSS-ZERO", Releases.Before(5, 17))
    {
        Effect = "INIT zeroes IA32_XSS although the manual keeps it.",
        Probe = "none: only 0 was accepted then",
        Source = "be4f3b3f8227 (5.17) ended it",
    };

    /// <summary>KVM-INIT-CET: INIT zeroes the CET components.</summary>
    internal static readonly KernelDifference KvmInitCet = new("KVM-INIT-CET", Releases.From(6, 18))
    {
        Effect = "INIT zeroes CET_U and CET_S.",
        Probe = "none before",
        Source = "CET series (6.18); case 4",
    };

    /// <summary>KVM-CPUID-AFTER-RUN: KVM_SET_CPUID2 after KVM_RUN is refused unless identical.</summary>
    internal static readonly KernelDifference KvmCpuidAfterRun = new("KVM-CPUID-AFTER-RUN", Releases.From(5, 16))
    {
        Effect = "Once the guest has run a changed CPUID is refused, and KVM_SET_CPUID2 with what KVM_GET_CPUID2 returns changes "
            + "nothing. KVM_RUN with immediate_exit does not count.",
        Probe = "KVM_RUN that enters the guest, then KVM_SET_CPUID2 with another table",
        Source = "63f5a1909f9e (5.16), c6617c61e8fe (5.17)",
        Decides = [Rules.CpuidFixed],
    };

    /// <summary>KVM-CPUID-NO-REPEAT: after KVM_RUN even the same KVM_SET_CPUID2 is refused.</summary>
    internal static readonly KernelDifference KvmCpuidNoRepeat = new("KVM-CPUID-NO-REPEAT", Releases.From(5, 16).Until(5, 17))
    {
        Effect = "Once the guest has run every KVM_SET_CPUID2 is refused, also the one that is in force.",
        Probe = "KVM_RUN that enters the guest, then KVM_SET_CPUID2 with the same table",
        Source = "63f5a1909f9e (5.16); c6617c61e8fe (5.17) ended it",
        Decides = [Rules.CpuidFixed],
    };

    /// <summary>KVM-CPUID-80: KVM_SET_CPUID2 takes 80 entries at most.</summary>
    internal static readonly KernelDifference KvmCpuid80 = new("KVM-CPUID-80", Releases.Before(5, 10))
    {
        Effect = "KVM_SET_CPUID2 takes 80 entries at most and answers E2BIG to more; later kernels take 256.",
        Probe = "KVM_SET_CPUID2 with 81 entries answers E2BIG",
        Source = "KVM_MAX_CPUID_ENTRIES, raised by 3f4e3eb417b1 (5.10); measured on Ubuntu's 5.4.0-216 and on 5.10.262",
        Decides = [Rules.TooManyCpuidEntries],
    };

    /// <summary>KVM-CPUID-INDEX: leaf 1 is kept up to date for sub-leaf 0 only.</summary>
    internal static readonly KernelDifference KvmCpuidIndex = new("KVM-CPUID-INDEX",
        Releases.Before(6, 1).Unsettled(new KernelRelease(5, 11, 0), new KernelRelease(6, 0)))
    {
        Effect = "KVM keeps the OSXSAVE and APIC bits of leaf 1 up to date only in an entry for sub-leaf 0. Later kernels do so in the "
            + "leaf's first entry, even if its sub-leaf is marked as significant and is not 0. Features are looked for with sub-leaf 0 in "
            + "all.",
        Note = "for entries of leaf 1 with KVM_CPUID_FLAG_SIGNIFCANT_INDEX and an index",
        Probe = "KVM_GET_CPUID2 after KVM_SET_CPUID2 of leaf 1 with index 1, marked as significant: APIC is not added",
        Source = "measured: present on 5.10.262, absent on 6.1 and 6.12; 277ad7d58611 ended it, in a release that was not looked up",
    };

    /// <summary>KVM-XSS-NO-READ: IA32_XSS cannot be read on a host without XSAVES.</summary>
    internal static readonly KernelDifference KvmXssNoRead = new("KVM-XSS-NO-READ",
        Releases.Before(5, 5).Unsettled(new KernelRelease(5, 5, 0), new KernelRelease(5, 9)))
    {
        Effect = "KVM_GET_MSRS of IA32_XSS reads nothing on a host without XSAVES; later kernels give 0.",
        Note = "on hosts without XSAVES",
        Probe = "KVM_GET_MSRS of IA32_XSS on a host without XSAVES processes 0",
        Source = "before IA32_XSS was kept in common code; measured on Ubuntu's 5.4.0-216, absent on 5.10.262",
    };

    /// <summary>KVM-CR4-NOCPUID: before KVM_SET_CPUID2 CR4 may have every bit of the host.</summary>
    internal static readonly KernelDifference KvmCr4NoCpuid = new("KVM-CR4-NOCPUID", Releases.Before(6, 14))
    {
        Effect = "Before KVM_SET_CPUID2 CR4 takes every bit that the host has; other kernels check it against the empty CPUID.",
        Probe = "fresh vCPU, KVM_SET_SREGS with CR4.OSXSAVE succeeds",
        Source = "ended by 85e5ba83c016 (6.14), which works out the reserved bits when a vCPU is made; measured on 6.1, 6.12 and 7.2",
        Decides = [Rules.ControlRegisterRefused],
    };

    /// <summary>KVM-EFER-CPUID: long mode in KVM_SET_SREGS needs LM in the guest's CPUID.</summary>
    internal static readonly KernelDifference KvmEferNeedsCpuid = new("KVM-EFER-CPUID", Releases.From(7, 3).Also(6, 12, 112).Also(7, 2, 13)
        .Unsettled(new KernelRelease(7, 2, 0), new KernelRelease(7, 2, 12)))
    {
        Effect = "KVM_SET_SREGS with EFER.LME is refused unless the guest's CPUID has LM; before, only the control registers had to fit "
            + "each other.",
        Probe = "fresh vCPU, KVM_SET_SREGS with EFER.LME answers EINVAL",
        Source = "184bd464bdb6 (July 2026); absent on 6.1.192, 6.12.43 and 6.12.107, present on 6.12.117 and 7.2.13 (measured)",
        Decides = [Rules.ControlRegisterRefused],
    };

    /// <summary>KVM-CR0-UNCHECKED: KVM_SET_SREGS takes any CR0.</summary>
    internal static readonly KernelDifference KvmCr0Unchecked = new("KVM-CR0-UNCHECKED",
        Releases.Before(6, 5).Except(5, 15, 124).Except(6, 1, 43).Except(6, 4, 8))
    {
        Effect = "KVM_SET_SREGS takes a CR0 that no processor can have, and the next KVM_RUN ends with KVM_EXIT_FAIL_ENTRY; later kernels "
            + "answer EINVAL.",
        Probe = "KVM_SET_SREGS with bit 32 of CR0 succeeds",
        Source = "26a0652cb453 (6.5) and its stable backports ended it; present on 5.10.262 and Ubuntu's 5.19.0-50, absent on 6.1.192, "
            + "6.12.117, "
            + "7.2.13, 7.3.4 and Ubuntu's 5.15.0-204, 6.2.0-39 and 6.5.0-45 (measured)",
        Decides = [Rules.Cr0Refused],
    };

    /// <summary>KVM-PROT-ZERO: protected guests read as zeros.</summary>
    internal static readonly KernelDifference KvmProtectedZero = new("KVM-PROT-ZERO", Releases.From(5, 11))
    {
        Effect = "For a protected guest KVM_GET_XSAVE succeeds with zeros and KVM_SET_XSAVE does nothing.",
        Note = "for VM types without has_protected_state",
        Probe = "VM type and KVM_GET_XSAVE",
        Source = "fpstate_is_confidential",
        Decides = [Rules.ProtectedState],
    };

    /// <summary>KVM-PROT-EINVAL: protected guests are refused.</summary>
    internal static readonly KernelDifference KvmProtectedEinval = new("KVM-PROT-EINVAL", Releases.From(6, 10))
    {
        Effect = "For VM types with protected state both calls answer EINVAL.",
        Probe = "VM type and KVM_GET_XSAVE",
        Source = "has_protected_state",
        Decides = [Rules.ProtectedState],
    };

    /// <summary>KVM-PKRU-WIDE: the guest's PKRU stays live around the inner entry loop.</summary>
    internal static readonly KernelDifference KvmPkruWide = new("KVM-PKRU-WIDE", Releases.From(6, 19))
    {
        Effect = "The guest's PKRU is live around the inner entry loop with interrupts off, where an NMI can hit on SVM too. It decides "
            + "which "
            + "world switch xstate explore takes for a kernel, as in svm@linux-6.19; no call of a VMM shows it.",
        Probe = "none: it is about an interrupt while KVM_RUN enters the guest",
        Source = "7649412af3ea (6.19)",
    };

    /// <summary>KVM-PVM-HOST-CPUID: kvm_pvm gives the guest the host's CPUID.</summary>
    internal static readonly KernelDifference KvmPvmHostCpuid = new("KVM-PVM-HOST-CPUID", Releases.None)
    {
        Effect = "The guest keeps the host's CPUID whatever KVM_SET_CPUID2 says.",
        Note = "the kvm_pvm flavour",
        Probe = "KVM_SET_CPUID2 with a narrowed 0xD.0, KVM_GET_CPUID2 returns the host's",
        Source = "measured on kvm_pvm 6.18",
    };
}
