using System.Collections.Immutable;

namespace Xstate.Findings;

/// <summary>
/// All rules by id: XS01 what KVM_SET_XSAVE and KVM_GET_XSAVE refuse, XS02 XCR0, XS03 CPUID, XS04 MSRs, XS05 what a guest sees differently,
/// XS06 what harms a host, XS07 what is only known by guess or not at all, XS08 ELF cores, XS09 QEMU streams and what contains them, XS10
/// images of CRIU, XS11 snapshots of Cloud Hypervisor and Firecracker, XS12 what CPUID dumps and CPU models lack, XS13 threads of a running
/// process.
/// </summary>
/// <threadsafety>Any thread.</threadsafety>
public static class Rules
{
    /// <summary>XS0101: The image has components that the guest's CPUID hides.</summary>
    internal static readonly Rule HiddenComponents = new("XS0101", "The image has components that the guest's CPUID hides", Severity.Error,
            "From 5.17 to 6.5 KVM_SET_CPUID2 narrowed the set of components that KVM_SET_XSAVE accepts to those in the guest's CPUID "
            + "0xD.0, so an image "
            + "with a further bit in XSTATE_BV is refused although the host has the component. The state was never visible to the guest.",
            "Trim the image (clear the bits, zero the bytes), or restore on 6.6, 6.1.60 or later, which refuse only what the host lacks.",
            "Linux ad856280ddea (5.17); fixed by 18164f66e6c5 and 8647c52e9504 (6.6, 6.1.60)");

    /// <summary>XS0102: The image has components that the host lacks.</summary>
    internal static readonly Rule ForeignComponents = new("XS0102", "The image has components that the host lacks", Severity.Error,
            "KVM_SET_XSAVE refuses every bit of XSTATE_BV outside the components that host and KVM support, on every kernel and whatever "
            + "the guest's CPUID says.",
            "If the guest could not have used the components, trim them. If it could, the guest needs a host that has them.",
            "Linux arch/x86/kvm/x86.c and arch/x86/kernel/fpu/xstate.c, all versions; measured on seven kernels");

    /// <summary>XS0103: The image is in compacted format.</summary>
    internal static readonly Rule CompactedImage = new("XS0103", "The image is in compacted format", Severity.Error,
            "KVM_SET_XSAVE takes the standard format only. From 5.16 a non-zero XCOMP_BV is refused; before, the field was ignored and "
            + "the compacted bytes were read at standard offsets, which "
            + "loads garbage without an error.",
            "Expand the image with the layout of the processor that wrote it.",
            "Linux validate_user_xstate_header, in KVM's path since 5.16");

    /// <summary>XS0104: Reserved bytes of the XSAVE header are not zero.</summary>
    internal static readonly Rule ReservedHeaderBytes = new("XS0104", "Reserved bytes of the XSAVE header are not zero", Severity.Error,
            "The 48 bytes after XCOMP_BV are reserved. From 5.16 KVM_SET_XSAVE refuses an image in which one of them is set; before, "
            + "they were ignored.",
            "Zero bytes 528 to 575.",
            "SDM Vol. 1, 13.4.2; Linux validate_user_xstate_header, in KVM's path since 5.16");

    /// <summary>XS0105: MXCSR has bits that the host does not have.</summary>
    internal static readonly Rule ReservedMxcsrBits = new("XS0105", "MXCSR has bits that the host does not have", Severity.Error,
            "A restore of MXCSR with a bit outside MXCSR_MASK would fault, so KVM refuses it. From 5.16 only when XSTATE_BV has x87, SSE "
            + "or AVX; before, always. AMD processors have bit 17, Intel's do not.",
            "Mask MXCSR with the destination's MXCSR_MASK.",
            "SDM Vol. 1, 11.6.6; measured on seven kernels");

    /// <summary>XS0106: A dynamic component arrives before the guest's CPUID enables it.</summary>
    internal static readonly Rule DynamicComponentEarly = new("XS0106", "A dynamic component arrives before the guest's CPUID enables it",
        Severity.Error,
            "AMX tile data is off by default. KVM_SET_XSAVE accepts it only after KVM_SET_CPUID2 with bit 18 in 0xD.0 has enlarged the "
            + "vCPU's buffer, which needs the process's guest permission.",
            "Request the permission, create the vCPU, set its CPUID, then restore the state.",
            "Linux 5.17 (KVM_CAP_XSAVE2)");

    /// <summary>XS0107: The image is shorter than the call reads.</summary>
    internal static readonly Rule ShortImage = new("XS0107", "The image is shorter than the call reads", Severity.Warning,
            "KVM_SET_XSAVE reads as many bytes as the vCPU's buffer has: 4096, or about 11,000 with AMX. A VMM that passes a 4096-byte "
            + "image lets the kernel read stray bytes behind it, or gets EFAULT.",
            "Pad the image with zeros to the size that KVM_CAP_XSAVE2 reports.",
            "Linux 5.17; EFAULT measured at 4088 readable bytes");

    /// <summary>XS0108: KVM_GET_XSAVE cannot return this vCPU's state.</summary>
    internal static readonly Rule StateNeedsXsave2 = new("XS0108", "KVM_GET_XSAVE cannot return this vCPU's state", Severity.Error,
            "A vCPU whose state is larger than 4096 bytes can only be read with KVM_GET_XSAVE2.",
            "Use KVM_GET_XSAVE2 with a buffer of KVM_CAP_XSAVE2 bytes.",
            "Linux 5.17");

    /// <summary>XS0109: The virtual machine's state is protected.</summary>
    internal static readonly Rule ProtectedState = new("XS0109", "The virtual machine's state is protected", Severity.Error,
            "With SEV-ES, SEV-SNP and TDX the host cannot read or write the guest's registers. Older kernels answer success with an "
            + "all-zero image and ignore what is set; from about 6.10 VM types with protected state answer EINVAL. What a SEV-ES guest "
            + "of the type KVM_X86_SEV_ES_VM gets before its launch (6.10 and later) reaches it.",
            "Migrate with the platform's own mechanism. An all-zero image is not a snapshot.",
            "Linux 5.11, ~6.10");

    /// <summary>XS0110: Not even x87 and SSE can be restored to a guest without XSAVE.</summary>
    internal static readonly Rule LegacyStateRefused = new("XS0110", "Not even x87 and SSE can be restored to a guest without XSAVE",
        Severity.Error,
            "From 5.17 to 5.19 a guest whose CPUID exposes no XSAVE had an empty set of accepted components, so even bits 0 and 1 were "
            + "refused.",
            "Clear the bits (the legacy state is lost) or restore on 5.19.y with the fix, 6.0 or later.",
            "Linux a1020a25e697 and ee519b3a2ae3 (6.0)");

    /// <summary>XS0111: The kernel does not have this call.</summary>
    internal static readonly Rule UnknownCall = new("XS0111", "The kernel does not have this call", Severity.Error,
            "KVM_GET_XSAVE2 exists from 5.17. Older kernels do not know the number.",
            "Use KVM_GET_XSAVE; KVM_CHECK_EXTENSION(KVM_CAP_XSAVE2) tells which.",
            "Linux be50b2065dfa (5.17)");

    /// <summary>XS0112: The host has no guests of this kind.</summary>
    internal static readonly Rule GuestKindLacking = new("XS0112", "The host has no guests of this kind", Severity.Error,
            "SEV-ES and SEV-SNP need an AMD processor, TDX an Intel one, and KVM has had guests with protected state since 5.11. On a "
            + "host without them the question does not arise: the virtual machine cannot be made.",
            "Choose a host that has such guests, or leave --protected out.",
            "Linux 5.11, arch/x86/kvm/svm/sev.c");

    /// <summary>XS0113: The area is all zero and no snapshot.</summary>
    internal static readonly Rule AllZeroArea = new("XS0113", "The area is all zero and no snapshot", Severity.Error,
            "MXCSR and FCW are 0 in no guest: a new virtual CPU has 0x1F80 and 0x37F. An area of zeros is what KVM_GET_XSAVE answers for "
            + "a guest with protected state, what a failed read leaves, or a hole in a file. KVM takes "
            + "it, and the guest finds the state of a new virtual CPU.",
            "Take the snapshot again; a guest with protected state moves by its platform's own mechanism.",
            "Linux fpstate_is_confidential, 5.11 and later; SDM Vol. 3A, processor states after reset");

    /// <summary>XS0201: XCR0 breaks a dependency between components.</summary>
    internal static readonly Rule BrokenXcr0 = new("XS0201", "XCR0 breaks a dependency between components", Severity.Error,
            "Bit 0 must be set; AVX needs SSE; AVX-512 needs AVX and all three of its bits; the MPX bits and the AMX bits are set "
            + "together. The guest's XSETBV takes #GP(0), KVM_SET_XCRS answers EINVAL.",
            "Correct the value: it cannot have been live on a processor.",
            "SDM Vol. 1, 13.3; Linux __kvm_set_xcr");

    /// <summary>XS0202: XCR0 has components that the guest's CPUID or the host lacks.</summary>
    internal static readonly Rule ForeignXcr0 = new("XS0202", "XCR0 has components that the guest's CPUID or the host lacks",
        Severity.Error,
            "KVM_SET_XCRS accepts only bits of the guest's CPUID 0xD.0 that the host supports too. Before KVM_SET_CPUID2 that is bit 0 "
            + "alone.",
            "Set the CPUID first. If the host lacks the component, the guest needs another host.",
            "Linux __kvm_set_xcr, all versions");

    /// <summary>XS0203: The kvm_xcrs structure is malformed.</summary>
    internal static readonly Rule MalformedXcrs = new("XS0203", "The kvm_xcrs structure is malformed", Severity.Error,
            "nr_xcrs may be at most 16 and flags must be zero.",
            "Write one entry for XCR0 and zero flags.",
            "Linux kvm_vcpu_ioctl_x86_set_xcrs, all versions");

    /// <summary>XS0204: The host has no XSAVE.</summary>
    internal static readonly Rule NoXsave = new("XS0204", "The host has no XSAVE", Severity.Error,
            "Without XSAVE on the host there is no XCR0 to set, and images may hold x87 and SSE only.",
            "Use a host with XSAVE.",
            "Linux, all versions");

    /// <summary>XS0301: The guest's CPUID asks for a component that the process has no permission for.</summary>
    internal static readonly Rule NoGuestPermission = new("XS0301",
        "The guest's CPUID asks for a component that the process has no permission for", Severity.Error,
            "KVM_SET_CPUID2 with AMX tile data in 0xD.0 enlarges the guest's state, which the process must have requested with "
            + "ARCH_REQ_XCOMP_GUEST_PERM before the first vCPU.",
            "Request the permission before creating vCPUs.",
            "Linux 5.17; fpu_enable_guest_xfd_features answers EPERM");

    /// <summary>XS0302: CPUID cannot change after the guest ran.</summary>
    internal static readonly Rule CpuidFixed = new("XS0302", "CPUID cannot change after the guest ran", Severity.Error,
            "Linux 5.16 refused every KVM_SET_CPUID2 after KVM_RUN; 5.17 and later accept only an identical table.",
            "Create a new vCPU for the restore.",
            "Linux 63f5a1909f9e (5.16), c6617c61e8fe (5.17)");

    /// <summary>XS0303: Too many CPUID entries.</summary>
    internal static readonly Rule TooManyCpuidEntries = new("XS0303", "Too many CPUID entries", Severity.Error,
            "KVM_SET_CPUID2 takes at most 256 entries (80 before 5.11).",
            "Drop entries that are zero.",
            "Linux KVM_MAX_CPUID_ENTRIES");

    /// <summary>XS0304: The guest's CPUID has an impossible address width.</summary>
    internal static readonly Rule ImpossibleAddressWidth = new("XS0304", "The guest's CPUID has an impossible address width",
        Severity.Error,
            "Leaf 0x80000008 must give 48 or 57 linear-address bits, or none.",
            "Copy the leaf from KVM_GET_SUPPORTED_CPUID.",
            "Linux kvm_check_cpuid, all versions");

    /// <summary>XS0305: The guest sees protection keys that it cannot save.</summary>
    internal static readonly Rule ProtectionKeysWithoutXcr0 = new("XS0305", "The guest sees protection keys that it cannot save",
        Severity.Error,
            "CPUID 7.0 says PKU but 0xD.0 lacks bit 9. Linux guests from 6.12 on fail every signal delivery then.",
            "Expose bit 9 in 0xD.0 with its sub-leaf, or hide PKU.",
            "Case 1: OpenBSD vmm, August 2025; Linux ae6012d72fa6");

    /// <summary>XS0306: A control register has a bit that the guest's CPUID does not offer.</summary>
    internal static readonly Rule ControlRegisterRefused = new("XS0306",
        "A control register has a bit that the guest's CPUID does not offer", Severity.Error,
            "KVM_SET_SREGS checks CR4 against the guest's CPUID and, since 7.3 (stable 6.12.112), EFER too. Before 6.14 a vCPU without "
            + "CPUID takes every bit of CR4 that KVM offers on the host. PKS and other bits that KVM offers to nobody are always "
            + "refused.",
            "Set the CPUID before the control registers, and clear what it does not offer.",
            "Linux kvm_is_valid_sregs; measured on 5.4 to 7.3");

    /// <summary>XS0311: CR0 is refused.</summary>
    internal static readonly Rule Cr0Refused = new("XS0311", "CR0 is refused", Severity.Error,
            "KVM_SET_SREGS takes no CR0 with a bit above 31, NW without CD or PG without PE. Kernels with KVM-CR0-UNCHECKED take it and "
            + "fail at the next KVM_RUN.",
            "Give CR0 a value that the processor can have.",
            "Linux kvm_is_valid_cr0 (26a0652cb453, 6.5); measured on 5.15 to 7.3 and on kvm_pvm 6.18");

    /// <summary>XS0312: The control registers of long mode do not fit each other.</summary>
    internal static readonly Rule LongModeInconsistent = new("XS0312", "The control registers of long mode do not fit each other",
        Severity.Error,
            "With EFER.LME and CR0.PG, KVM_SET_SREGS demands CR4.PAE, EFER.LMA and a CR3 within the guest's physical addresses; without, "
            + "EFER.LMA and CS.L must be clear.",
            "Set CR0, CR3, CR4, EFER and CS of one moment of the guest together.",
            "Linux kvm_is_valid_sregs; measured on 5.4 to 7.3");

    /// <summary>XS0320: The guest's CPUID offers components that no XCR0 takes together.</summary>
    internal static readonly Rule PartialComponentGroup = new("XS0320", "The guest's CPUID offers components that no XCR0 takes together",
        Severity.Error,
            "Some components are enabled together or not at all: the two of AMX, the three of AVX-512, the two of MPX; and APX excludes "
            + "MPX. A CPUID with half of a group boots no Linux: the guest writes all that 0xD.0 "
            + "offers, XSETBV takes #GP, and the kernel panics before it prints a line.",
            "Offer the group whole or not at all in 0xD.0, with its sub-leaves and its feature bits.",
            "SDM Vol. 1, 13.3; Linux fpu__init_cpu_xstate; reports of 2026 of guests that see half of AMX");

    /// <summary>XS0321: The VMM refuses the guest's CPUID before it asks KVM.</summary>
    internal static readonly Rule GateRefuses = new("XS0321", "The VMM refuses the guest's CPUID before it asks KVM", Severity.Error,
            "Cloud Hypervisor compares the snapshot's CPUID with its own on the target, QEMU with enforce and libvirt with check='full' "
            + "compare what "
            + "was asked for with what KVM offers. A bit that is missing ends the restore; the finding has the VMM's own words.",
            "Choose a target whose KVM offers the features, or make the guest with a CPU model that all targets offer.",
            "Cloud Hypervisor arch/src/x86_64/mod.rs, 29 to August 2026; QEMU x86_cpu_filter_features; libvirt virCPUx86UpdateLive and "
            + "reports of its message");

    /// <summary>XS0322: The VMM's comparison of CPUID is not rehearsed.</summary>
    internal static readonly Rule GateNotRehearsed = new("XS0322", "The VMM's comparison of CPUID is not rehearsed", Severity.Info,
            "The table that stands for the guest's CPUID is a processor's own: it has features that KVM gives no guest, which the VMM "
            + "would refuse "
            + "although the real guest does not have them.",
            "Give what the VMM gave KVM_SET_CPUID2 with --guest-cpuid.",
            "CPUID catalogue");

    /// <summary>XS0401: The snapshot lacks IA32_XSS although the guest has supervisor components.</summary>
    internal static readonly Rule MissingXss = new("XS0401", "The snapshot lacks IA32_XSS although the guest has supervisor components",
        Severity.Error,
            "A Linux guest enables every supervisor component it sees. When the VMM does not carry MSR 0xDA0, IA32_XSS is 0 after the "
            + "restore and the guest's next XRSTORS takes #GP.",
            "Carry MSRs 0xDA0, 0x6A0, 0x6A2 and 0x6A4 to 0x6A8 in the snapshot.",
            "Linux 6.18 CET series; two reports of 2026");

    /// <summary>XS0402: IA32_XSS is refused.</summary>
    internal static readonly Rule XssRefused = new("XS0402", "IA32_XSS is refused", Severity.Error,
            "Before 6.18 KVM accepts only 0. From 6.18 it accepts bits 11 and 12 as far as the guest's CPUID 0xD.1 has them, and the MSR "
            + "needs XSAVES in the guest's CPUID: without it even 0 is refused where KVM offers no CET.",
            "Restore on 6.18 or later, after KVM_SET_CPUID2, and leave the MSR out when it is 0.",
            "Linux 69cc3e886582 (6.18)");

    /// <summary>XS0403: A CET register is refused.</summary>
    internal static readonly Rule CetRegisterRefused = new("XS0403", "A CET register is refused", Severity.Error,
            "IA32_U_CET, IA32_S_CET, the PLn_SSP MSRs, IA32_INTERRUPT_SSP_TABLE_ADDR and SSP exist for guests from 6.18 on, with CET_SS "
            + "or CET_IBT in the guest's CPUID. KVM refuses reserved bits, addresses that are "
            + "not canonical, and shadow-stack pointers that are no multiple of 4. KVM_SET_MSRS stops there: its short count is the only "
            + "sign, and the MSRs behind it are not written.",
            "Set the CPUID first, compare the count, and restore on 6.18 or later on a host that offers CET.",
            "Linux CET series (6.18), kvm_is_valid_u_s_cet and __kvm_set_msr");

    /// <summary>XS0404: Too many MSRs in one call.</summary>
    internal static readonly Rule TooManyMsrs = new("XS0404", "Too many MSRs in one call", Severity.Error,
            "KVM_SET_MSRS and KVM_GET_MSRS take at most 255 entries.",
            "Split the list.",
            "Linux MAX_IO_MSRS");

    /// <summary>XS0410: The VMM does not notice that MSRs were not set.</summary>
    internal static readonly Rule UnsetMsrsUnnoticed = new("XS0410", "The VMM does not notice that MSRs were not set", Severity.Error,
            "KVM_SET_MSRS stops at the first MSR that it refuses and returns how many it took, which is no error. A VMM that does not "
            + "look at the count resumes the guest, and the refused MSR and all behind it in the list "
            + "are what a new virtual CPU has.",
            "Choose a destination whose kernel takes the MSR, or a release of the VMM that ends the restore.",
            "Linux KVM_SET_MSRS; Firecracker before 1.2, StratoVirt kvm/x86_64/mod.rs");

    /// <summary>XS0411: An MSR of extended state differs after the restore.</summary>
    internal static readonly Rule MsrDiffers = new("XS0411", "An MSR of extended state differs after the restore", Severity.Error,
            "The guest had the value when it was captured and finds another: the VMM has no place for the MSR, left it out, or did not "
            + "notice that the kernel refused it. IA32_XSS that is 0 makes the guest's next "
            + "XRSTORS take #GP; without its CET registers a guest with shadow stacks takes #CP.",
            "See the finding beside this one, or take a VMM that restores the MSR (xstate check --vmm list).",
            "Sources of the VMMs; see xstate check --vmm list");

    /// <summary>XS0501: A register differs after the restore.</summary>
    internal static readonly Rule RegisterDiffers = new("XS0501", "A register differs after the restore", Severity.Error,
            "The calls succeed but the guest reads another value than before.",
            "See the finding's register; where a repair exists it is named.",
            "Comparison of the rehearsed guest with the capture");

    /// <summary>XS0502: The virtual CPU keeps its old PKRU.</summary>
    internal static readonly Rule OldPkruKept = new("XS0502", "The virtual CPU keeps its old PKRU", Severity.Warning,
            "KVM_SET_XSAVE leaves PKRU untouched when bit 9 of XSTATE_BV is clear, unlike every other component. On a fresh vCPU that is "
            + "0; on one that was used before, the old value stays.",
            "Set bit 9 with an explicit value.",
            "Linux d7e5aceace51 keeps it on purpose (case 3)");

    /// <summary>XS0503: MXCSR is replaced by its initial value.</summary>
    internal static readonly Rule MxcsrReplaced = new("XS0503", "MXCSR is replaced by its initial value", Severity.Error,
            "MXCSR travels with SSE or AVX. When XSTATE_BV has neither, the kernel writes 0x1F80 whatever the image holds.",
            "Set bit 1 of XSTATE_BV; clear XMM registers are then restored as zeros, which they are.",
            "Linux 5.16; measured on six kernels");

    /// <summary>XS0504: The image uses another processor's layout.</summary>
    internal static readonly Rule ForeignLayout = new("XS0504", "The image uses another processor's layout", Severity.Error,
            "Standard offsets belong to one CPU model: AMD packs AVX-512 and PKRU where Intel keeps MPX. KVM reads the image at the "
            + "host's offsets, so the bytes would land in the wrong registers without any error.",
            "Relocate the components to the destination's layout.",
            "CPUID leaf 0xD; rr issue 3573");

    /// <summary>XS0505: The image holds state that the guest could not have used.</summary>
    internal static readonly Rule UnusableState = new("XS0505", "The image holds state that the guest could not have used", Severity.Info,
            "XSTATE_BV names components outside the guest's CPUID. Kernels 5.16.x return them because they did not trim. Nothing that "
            + "the guest can see is in them.",
            "Trim them; the image then loads everywhere.",
            "Linux 5.16.0 to the backport of ad856280ddea (case 5)");

    /// <summary>XS0506: The destination does not bring a component that the guest uses.</summary>
    internal static readonly Rule LiveComponentLacking = new("XS0506", "The destination does not bring a component that the guest uses",
        Severity.Error,
            "The guest has live state in a component that the destination lacks. Trimming it would change registers under a running "
            + "program.",
            "Choose a destination that has the component.",
            "Comparison of the rehearsed guest with the capture");

    /// <summary>XS0507: The guest's CPUID describes another layout than the destination's processor has.</summary>
    internal static readonly Rule GuestToldOtherLayout = new("XS0507",
        "The guest's CPUID describes another layout than the destination's processor has", Severity.Warning,
            "CPUID is what the monitor says, but XSAVE and XRSTOR in the guest use the processor's own offsets. Areas that programs in "
            + "the guest saved before the move, or size by the old CPUID, no "
            + "longer fit. Relocating the virtual CPU's own state cannot mend what lies in the guest's memory.",
            "Move between processors of one layout while programs run; across vendors, restart the guest.",
            "CPUID leaf 0xD; rr issue 3573");

    /// <summary>XS0508: The guest's CPUID promises instructions that the target lacks.</summary>
    internal static readonly Rule PromisedInstructionsLacking = new("XS0508",
        "The guest's CPUID promises instructions that the target lacks", Severity.Error,
            "Programs choose their code by CPUID when they start, and a restored guest keeps its CPUID. The registers load, and the "
            + "first use of such an instruction takes #UD. Only bits that announce an instruction count.",
            "Choose a target that has them, or make the guest with a CPUID that all targets can keep.",
            "Reports of 2026: snapshots between processor generations");

    /// <summary>XS0509: The guest's CPUID has features that the target does not show.</summary>
    internal static readonly Rule PromisedFeaturesNotShown = new("XS0509", "The guest's CPUID has features that the target does not show",
        Severity.Info,
            "No instruction and no component of state hangs on these bits: they describe what the hypervisor or the operating system may "
            + "do.",
            "Nothing has to be done.",
            "CPUID catalogue");

    /// <summary>XS0510: The guest may have turned on what the target lacks.</summary>
    internal static readonly Rule PromisedControlsLacking = new("XS0510", "The guest may have turned on what the target lacks",
        Severity.Warning,
            "A guest turns these features on in CR3, CR4, EFER or its page tables, which a capture of extended state does not hold. If "
            + "it did, "
            + "KVM_SET_SREGS refuses the registers, or the guest faults on its page tables.",
            "Choose a target that has them, or look at the guest's control registers before the move.",
            "SDM Vol. 3, 2.5; KVM's is_valid_sregs");

    /// <summary>XS0511: The guest's vendor is not the target's.</summary>
    internal static readonly Rule VendorNotTargets = new("XS0511", "The guest's vendor is not the target's", Severity.Warning,
            "The guest keeps the vendor that its CPUID names, and works around the errata of that vendor's processors, not of the one "
            + "that it runs on.",
            "Keep guests on processors of one vendor.",
            "CPUID leaf 0");

    /// <summary>XS0512: The guest has XSAVES on a processor with erratum 1386.</summary>
    internal static readonly Rule GuestUsesXsavesOfErratum1386 = new("XS0512", "The guest has XSAVES on a processor with erratum 1386",
        Severity.Warning,
            "XSAVES of AMD's family 17h can fail to save XMM registers until microcode mends it, and a restore brings older values back. "
            + "Linux "
            + "does without XSAVES there and hides it from new guests; a guest that was made with it, on an older kernel or elsewhere, "
            + "keeps using it.",
            "Update the microcode of the host, or make the guest anew without XSAVES; a Linux guest of 6.3 and later does without it by "
            + "itself.",
            "AMD's revision guide for family 17h, erratum 1386; b0563468eeac (6.3)");

    /// <summary>XS0513: The guest's processor becomes another one.</summary>
    internal static readonly Rule ProcessorBecomesTargets = new("XS0513", "The guest's processor becomes another one", Severity.Error,
            "With -cpu host or host-passthrough the restored guest reads vendor, family and model of the target. Software that chose its "
            + "code or its "
            + "workarounds by them runs with those of another processor.",
            "Move between processors of one model, or use a named CPU model.",
            "QEMU's host CPU model");

    /// <summary>XS0601: Tile data arrives while XFD disables it.</summary>
    internal static readonly Rule TileDataUnderXfd = new("XS0601", "Tile data arrives while XFD disables it", Severity.Error,
            "An image with bit 18 set for a vCPU whose IA32_XFD has bit 18 set makes the host kernel's own XRSTOR take #NM: a warning, "
            + "or a panic with panic_on_warn.",
            "Clear the bits of IA32_XFD in XSTATE_BV before the restore, or update the kernel (6.19, or a stable release with "
            + "b45f72177594).",
            "Linux 5.17 to 6.19-rc5; fixed by b45f72177594");

    /// <summary>XS0602: This VMM resumes the guest after a failed restore.</summary>
    internal static readonly Rule FailureIgnored = new("XS0602", "This VMM resumes the guest after a failed restore", Severity.Error,
            "QEMU before 8.2 ignores a failing KVM_SET_XSAVE or KVM_SET_XCRS, skips all later registers and runs the guest: corruption "
            + "without an error.",
            "Repair the image before loading it, or use QEMU 8.2 or later.",
            "QEMU 7191f24c7fcf");

    /// <summary>XS0701: The layout of the image is a guess.</summary>
    internal static readonly Rule LayoutGuessed = new("XS0701", "The layout of the image is a guess", Severity.Warning,
            "Nothing in the artifact tells which processor wrote it; equal sizes do not prove equal layouts.",
            "Give the writer's CPUID with --layout.",
            "CPUID leaf 0xD");

    /// <summary>XS0702: The guest's CPUID is not known.</summary>
    internal static readonly Rule GuestCpuidUnknown = new("XS0702", "The guest's CPUID is not known", Severity.Warning,
            "What the guest could use decides what may be trimmed. Without its CPUID the supported set of the destination is assumed.",
            "Give it with --guest-cpuid.",
            "Rehearsal");

    /// <summary>XS0703: CPUID leaf 0xD is incomplete.</summary>
    internal static readonly Rule XsaveLeafIncomplete = new("XS0703", "CPUID leaf 0xD is incomplete", Severity.Warning,
            "The dump announces components without their sub-leaves, so their offsets are not known.",
            "Take the dump again with a tool that reads all sub-leaves.",
            "Survey of 588 dumps");

    /// <summary>XS0704: The KVM flavour is not modelled.</summary>
    internal static readonly Rule FlavourNotModelled = new("XS0704", "The KVM flavour is not modelled", Severity.Warning,
            "kvm_pvm keeps the host's CPUID for the guest; the prediction holds for kvm_intel and kvm_amd.",
            "Prove the answer on a host of the fleet.",
            "Measured on kvm_pvm 6.18");

    /// <summary>XS0705: A component has no place in the format that is asked for.</summary>
    internal static readonly Rule NoPlaceInFormat = new("XS0705", "A component has no place in the format that is asked for",
        Severity.Error,
            "The standard format has no supervisor components, and a processor's layout only those that it has: a conversion would drop "
            + "state that is in use.",
            "Convert to xstate-capture, which keeps the area as it is, or give --force.",
            "SDM Vol. 1, 13.4.2");

    /// <summary>XS0706: Lost registers are not judged.</summary>
    internal static readonly Rule LostRegisters = new("XS0706", "Lost registers are not judged", Severity.Warning,
            "Bytes of the capture were destroyed by whoever wrote it (XS0802, XS0809, XS0902). What the program had in them is not "
            + "known, so a rehearsal compares every other byte and says neither that these survive "
            + "nor that they do not. A component with lost bytes counts as in use: it is not dropped as if it were initial.",
            "Mend what the file itself can tell (fix without --on), or take the capture again.",
            "Rehearsal");

    /// <summary>XS0720: Two states have one id.</summary>
    internal static readonly Rule EqualIds = new("XS0720", "Two states have one id", Severity.Warning,
            "Ids name virtual CPUs and threads in every answer. A virtual machine whose CPUs share one is refused when it is read; the "
            + "threads of a process are shown as they are, and are compared in their order.",
            "Take the capture again; convert and set take the first of the states with an id.",
            "Capture");

    /// <summary>XS0721: A repair would write at a guessed place.</summary>
    internal static readonly Rule RepairAtGuess = new("XS0721", "A repair would write at a guessed place", Severity.Error,
            "Where the components of an image lie depends on the processor that wrote it. When nothing tells which that was, whatever is "
            + "moved or cleared in the extended region may be another component's bytes.",
            "Give the CPUID of the processor that wrote it with --layout.",
            "Repair");

    /// <summary>XS0722: The answer depends on a fact that is not known.</summary>
    internal static readonly Rule DependsOnUnknownFact = new("XS0722", "The answer depends on a fact that is not known", Severity.Warning,
            "The restore was rehearsed with every value that the fact can have, and the outcomes differ. No value is preferred: the "
            + "verdict is unknown when one outcome would be fine, else the worst of them.",
            "Find the fact out; dependsOn names the command.",
            "Rehearsal");

    /// <summary>XS0723: A fact that is not known does not matter.</summary>
    internal static readonly Rule UnknownFactDoesNotMatter = new("XS0723", "A fact that is not known does not matter", Severity.Info,
            "The restore was rehearsed with every value that the fact can have, and all outcomes agree.",
            "Nothing has to be done.",
            "Rehearsal");

    /// <summary>XS0730: The VMM that is asked for is not the one that the file names.</summary>
    internal static readonly Rule OtherVmmThanFileNames = new("XS0730", "The VMM that is asked for is not the one that the file names",
        Severity.Warning,
            "libvirt restores a save with the accelerator of its domain's type: qemu means TCG, kvm means KVM. The two store the x87 "
            + "registers in different orders, so a file that was repaired for the one is wrong for the other, "
            + "and the type in the file still names the first.",
            "Leave --vmm out, or change the domain's type too. fix repairs for the other VMM only with --force.",
            "libvirt, src/qemu/qemu_saveimage.c; QEMU target/i386/machine.c");

    /// <summary>XS0801: The core does not tell which processor's layout it has.</summary>
    internal static readonly Rule CoreLayoutUnknown = new("XS0801", "The core does not tell which processor's layout it has",
        Severity.Warning,
            "Offsets of components from 2 up belong to one processor. Linux 6.12 and later write them into the core "
            + "(NT_X86_XSAVE_LAYOUT), older kernels and gdb do not. The enabled components, the length "
            + "of the area, MXCSR_MASK, AT_HWCAP and AT_MINSIGSTKSZ leave more than one known processor, or none.",
            "Give the CPUID of the machine that wrote the core with --layout.",
            "Survey of 588 CPUID dumps");

    /// <summary>XS0802: gdb before 14 destroyed AVX-512 registers of an AMD processor.</summary>
    internal static readonly Rule GcoreDamage = new("XS0802", "gdb before 14 destroyed AVX-512 registers of an AMD processor",
        Severity.Error,
            "Up to version 13 gdb knows Intel's offsets only. Its gcore reads AMD's area as Intel's and writes it back in a note of "
            + "Intel's length: bytes in the gaps between Intel's components become zeros, "
            + "everything else survives at AMD's offsets. gdb itself, every version, then shows the wrong registers without a word.",
            "xstate fix moves what survived to where gdb looks for it; what is lost is lost. Take cores with the kernel (kill -ABRT, or "
            + "gdb 14 and later), not with gcore of gdb 13.",
            "Measured with gdb 13.1 on Zen 4; AT_MINSIGSTKSZ of Linux 5.14 and later tells the real length");

    /// <summary>XS0803: Two notes of one thread disagree about x87 or SSE.</summary>
    internal static readonly Rule NotesDisagree = new("XS0803", "Two notes of one thread disagree about x87 or SSE", Severity.Warning,
            "Kernels and gdb write the same legacy state twice: into NT_FPREGSET or NT_PRXFPREG, and into the first 464 bytes of "
            + "NT_X86_XSTATE. Where they differ someone changed one of them. The area is shown.",
            "Find out which of the two is right; xstate set changes both.",
            "Linux regsets; equal in all samples");

    /// <summary>XS0804: gcore replaced XSTATE_BV and MXCSR_MASK.</summary>
    internal static readonly Rule GcoreHeader = new("XS0804", "gcore replaced XSTATE_BV and MXCSR_MASK", Severity.Info,
            "gdb writes areas from its register cache, which does not know which components were initial, nor MXCSR_MASK: XSTATE_BV "
            + "names every component and MXCSR_MASK is zero. Registers are not affected.",
            "Nothing. Whether a component was in use cannot be told from such a core.",
            "Measured with gdb 13.1 and 16.3");

    /// <summary>XS0805: The core is truncated.</summary>
    internal static readonly Rule TruncatedCore = new("XS0805", "The core is truncated", Severity.Warning,
            "The file is shorter than its headers say, as RLIMIT_CORE or a full disk leave it. Linux writes notes before memory, so "
            + "registers usually survive; where the end is among the notes, the last threads "
            + "are missing.",
            "Raise the limit (ulimit -c unlimited) and take the core again.",
            "Linux fs/binfmt_elf.c");

    /// <summary>XS0806: The layout note does not fit the areas.</summary>
    internal static readonly Rule LayoutNoteMisfit = new("XS0806", "The layout note does not fit the areas", Severity.Warning,
            "NT_X86_XSAVE_LAYOUT leaves out a component that an area uses, or places one beyond an area's end. They were not written "
            + "together.",
            "Give the CPUID of the machine that wrote the core with --layout.",
            "Linux dump_xsave_layout_desc (6.12)");

    /// <summary>XS0807: A thread has no XSAVE area.</summary>
    internal static readonly Rule NoXsaveNote = new("XS0807", "A thread has no XSAVE area", Severity.Warning,
            "Without NT_X86_XSTATE only what FXSAVE or FSAVE stores is known: x87, and SSE. Kernels without XSAVE, old debuggers and "
            + "truncation leave it out.",
            "Nothing, if the processor had no more than SSE.",
            "Linux 2.6.35 introduced the note");

    /// <summary>XS0808: The area of a thread is not what a kernel writes.</summary>
    internal static readonly Rule AreaNotOfKernel = new("XS0808", "The area of a thread is not what a kernel writes", Severity.Warning,
            "XCOMP_BV and the reserved header bytes are zero in every note, and XSTATE_BV never leaves the mask at byte 464. A tool or "
            + "an accident changed them; no kernel would take the area back.",
            "Mistrust the registers of this thread.",
            "Linux copy_xstate_to_uabi_buf");

    /// <summary>XS0809: Registers were lost before the core was mended.</summary>
    internal static readonly Rule LostBeforeRepair = new("XS0809", "Registers were lost before the core was mended", Severity.Warning,
            "A repair (XS0802) moved what survived and left a note of its own (owner XSTATE) with the bytes that nothing could bring "
            + "back. They are zeros and shown as unknown.",
            "Nothing; the values are gone.",
            "This project's repair");

    /// <summary>XS0810: MXCSR or FCW masks no exception.</summary>
    internal static readonly Rule ExceptionsUnmasked = new("XS0810", "MXCSR or FCW masks no exception", Severity.Warning,
            "The processor starts with MXCSR 0x1f80 and FCW 0x37f: every exception masked. A register with all mask bits clear is the "
            + "mark of an area that somebody filled with zeros, and a restore takes it as it is. "
            + "The next operation with an inexact result, which is nearly every division, then ends in SIGFPE, or in #XM or #MF in a "
            + "guest.",
            "If the program did not unmask exceptions itself (feenableexcept), set mxcsr=0x1f80 and fcw=0x37f, and find out who wrote "
            + "the zeros.",
            "SDM Vol. 1, 13.6; zeroed XSAVE areas in signal frames and snapshots");

    /// <summary>XS0811: valgrind left x87 and MXCSR out of the core.</summary>
    internal static readonly Rule ValgrindCore = new("XS0811", "valgrind left x87 and MXCSR out of the core", Severity.Warning,
            "A vgcore of valgrind has zeros for FCW, MXCSR, MXCSR_MASK and the x87 registers, whatever the program had in them; only XMM "
            + "registers are filled. They are shown as unknown and take part in no comparison.",
            "Take the registers from valgrind's own gdb server (--vgdb=yes), or run the program without valgrind.",
            "Measured with valgrind 3.19");

    /// <summary>XS0812: The core's writer stores x87 and SSE only.</summary>
    internal static readonly Rule CoreWithoutWideState = new("XS0812", "The core's writer stores x87 and SSE only", Severity.Warning,
            "Some writers of cores have no NT_X86_XSTATE: .NET's createdump, NetBSD and OpenBSD write an FXSAVE image for each thread. "
            + "What was in AVX, AVX-512, PKRU and wider registers, and whether the processor had "
            + "them, is not in the file: it is neither zero nor initial, and nothing is said of it.",
            "Where wider registers matter, take the core with the kernel or with gdb, or read the process while it runs (--pid).",
            "Measured with .NET 10's createdump; NetBSD sys/kern/core_elf32.c; OpenBSD sys/kern/exec_elf.c");

    /// <summary>XS0901: The stream's XSTATE_BV hides registers that it holds.</summary>
    internal static readonly Rule StreamHidesRegisters = new("XS0901", "The stream's XSTATE_BV hides registers that it holds",
        Severity.Warning,
            "A QEMU stream stores registers by name and XSTATE_BV beside them. TCG does not keep the field and writes 0. QEMU on KVM "
            + "puts it into the header of the image for KVM_SET_XSAVE, and the processor "
            + "then gives every component with a clear bit its initial state: all x87, SSE and AVX registers are lost without an error. "
            + "TCG itself ignores the field.",
            "Set XSTATE_BV to the components that the registers hold; fix does that in place.",
            "Measured: a stream of TCG loaded under KVM by QEMU 7.2 and 10.0");

    /// <summary>XS0902: The upper halves of the vector registers were lost when the guest was saved.</summary>
    internal static readonly Rule UpperHalvesLost = new("XS0902",
        "The upper halves of the vector registers were lost when the guest was saved", Severity.Warning,
            "XSTATE_BV names AVX and AVX-512, XMM registers hold values, and everything above them is zero. QEMU 7.2 with -cpu host does "
            + "that where KVM_GET_SUPPORTED_CPUID hides AVX: it stores the header as KVM "
            + "returned it and leaves out the components that it does not know of. The values are in no file.",
            "Save again with a QEMU that knows the components (10.0 does), or restart what ran in the guest.",
            "Measured: QEMU 7.2.22 with -cpu host against QEMU 10.0.13, same guest");

    /// <summary>XS0903: The x87 registers are stored in another accelerator's order.</summary>
    internal static readonly Rule OtherX87Order = new("XS0903", "The x87 registers are stored in another accelerator's order",
        Severity.Warning,
            "The same field holds ST(0) first when KVM ran the guest, physical register R0 first when TCG did. A load takes its own "
            + "order for granted, so with TOP other than 0 the guest finds its x87 stack rotated.",
            "Rotate the registers by TOP when moving between accelerators; fix does that in place.",
            "Measured: one guest saved under both, loaded under both");

    /// <summary>XS0904: Who wrote the stream is a guess.</summary>
    internal static readonly Rule WriterGuessed = new("XS0904", "Who wrote the stream is a guess", Severity.Warning,
            "A stream does not say whether KVM or TCG ran the guest. The clock device is KVM's alone, and TCG alone leaves XSTATE_BV at "
            + "0 everywhere; where neither is so, only the contents of the x87 registers can tell their order.",
            "Compare st0 to st7 with what the guest computed.",
            "QEMU target/i386; measured with streams of both");

    /// <summary>XS0905: State without a subsection was zero.</summary>
    internal static readonly Rule ZeroWithoutSubsection = new("XS0905", "State without a subsection was zero", Severity.Info,
            "QEMU sends AVX-512, PKRU and MPX registers in subsections, and only when one of their values is not zero. An absent "
            + "subsection means zeros, not that the guest lacks the component.",
            "Nothing: it is how the format says zero. A value that is written there gets its subsection; those of AMX and APX belong to "
            + "CPU models that always send them.",
            "QEMU target/i386/machine.c");

    /// <summary>XS0906: A virtual CPU was found by searching.</summary>
    internal static readonly Rule FoundBySearch = new("XS0906", "A virtual CPU was found by searching", Severity.Info,
            "Sections of a stream have no length. The description at its end gives the sizes of all devices, and they normally lead from "
            + "the end to every virtual CPU; here a size is wrong, and the section was found by its header.",
            "Nothing, as long as the registers look right.",
            "QEMU docs/devel/migration; sizes of arrays with null pointers");

    /// <summary>XS0907: Only one of several snapshots is shown.</summary>
    internal static readonly Rule OneOfSeveralSnapshots = new("XS0907", "Only one of several snapshots is shown", Severity.Info,
            "A qcow2 image can hold the state of many snapshots; the last one with a state is shown and repaired.",
            "Delete the later ones in a copy of the image (qemu-img snapshot -d).",
            "QEMU docs/interop/qcow2");

    /// <summary>XS0908: A repair rewrites the save uncompressed.</summary>
    internal static readonly Rule RewrittenUncompressed = new("XS0908", "A repair rewrites the save uncompressed", Severity.Info,
            "Compressed state cannot be changed in place. A changed libvirt save is written with the state as it is and 'raw' in its "
            + "header, which libvirt loads like any other.",
            "Nothing; the file becomes larger.",
            "libvirt virsh save, save_image_format");

    /// <summary>XS0909: TCG cannot load the stream.</summary>
    internal static readonly Rule TcgCannotLoad = new("XS0909", "TCG cannot load the stream", Severity.Error,
            "QEMU refuses a stream with a section that the new virtual machine does not have. The clock device kvmclock exists only "
            + "under KVM, so a stream from KVM with it does not load under TCG, before any register is looked at.",
            "Load it under KVM, or save it from a guest with kvmclock disabled; fix --force leaves the device out, and a guest that "
            + "keeps time by it loses its clock.",
            "Measured with QEMU 7.2.22, 10.0.2 and 11.1.3");

    /// <summary>XS0910: An old QEMU leaves out registers that KVM does not announce.</summary>
    internal static readonly Rule UnannouncedRegistersLeftOut = new("XS0910", "An old QEMU leaves out registers that KVM does not announce",
        Severity.Warning,
            "QEMU 7.2 fills an image for KVM_SET_XSAVE only with components whose feature KVM_GET_SUPPORTED_CPUID announces, and sets "
            + "XSTATE_BV as the stream has it all the same: the guest finds zeros in the others. Its "
            + "monitor still prints the values, because that is what QEMU remembers. Ordinary KVM announces what its guests have; "
            + "kvm_pvm hides AVX and what builds on it.",
            "Load it with a newer QEMU (10.0 sends every component of the processor).",
            "Measured: the calls of QEMU 7.2.22, 10.0.2 and 11.1.3 on kvm_pvm with one stream");

    /// <summary>XS1001: The C library of the process has too little room for this processor's registers.</summary>
    internal static readonly Rule DynamicLinkerAreaTooSmall = new("XS1001",
        "The C library of the process has too little room for this processor's registers", Severity.Error,
            "glibc's dynamic linker saves vector registers on the stack around the lookup of a function that is bound when it is first "
            + "called, and around TLS descriptors. How many bytes that takes is computed "
            + "from CPUID once, when the process starts; which components the instruction writes is decided by the processor that runs "
            + "it. A process that was started where the area is smaller and "
            + "restored where it is larger overwrites its stack at the next such call. The restore itself shows nothing of it.",
            "Restore where the area is not larger, or start the process with LD_BIND_NOW=1 (linked with -z now), or with "
            + "GLIBC_TUNABLES=glibc.cpu.hwcaps=-XSAVEC,-XSAVE where glibc allows it.",
            "CRIU issue 3120; glibc sysdeps/x86/cpu-features.c and sysdeps/x86_64/dl-trampoline.h, since 2.27");

    /// <summary>XS1002: A component of the CRIU image is missing or short.</summary>
    internal static readonly Rule CriuComponentShort = new("XS1002", "A component of the CRIU image is missing or short", Severity.Error,
            "xstate_bv says that the thread uses a component and the image does not have its registers, or not all of them. CRIU "
            + "restores zeros for a field that is missing and refuses one of another length.",
            "Take the dump again.",
            "CRIU criu/arch/x86/crtools.c, restore_fpu and valid_xsave_frame");

    /// <summary>XS1003: A component of the CRIU image is not zero and does not count.</summary>
    internal static readonly Rule CriuComponentStale = new("XS1003", "A component of the CRIU image is not zero and does not count",
        Severity.Info,
            "CRIU writes the registers of every component that the processor has, also where XSTATE_BV says that they are initial. CRIU "
            + "3.18 and later leaves them out on restore, and the thread finds zeros, as it did before; CRIU up to 3.17 restores them "
            + "as they stand in the image.",
            "Nothing, unless another tool changed the registers and forgot xstate_bv.",
            "CRIU criu/arch/x86/crtools.c, save_task_regs and restore_fpu; 4930c9802 (3.18)");

    /// <summary>XS1004: The thread uses a component that CRIU does not carry.</summary>
    internal static readonly Rule CriuComponentNotCarried = new("XS1004", "The thread uses a component that CRIU does not carry",
        Severity.Error,
            "CRIU's image has fields for AVX, MPX, AVX-512 and PKRU. AMX tiles, APX registers and LWP are lost at the dump without a "
            + "word; so are MPX bound registers, because CRIU clears bit 3 of its own "
            + "mask by mistake.",
            "Dump the process where it does not use the component, or hide it from the process.",
            "CRIU 4.1.1 images/core-x86.proto, compel/arch/x86/src/lib/cpu.c");

    /// <summary>XS1005: The thread uses a component that the target's processor lacks.</summary>
    internal static readonly Rule CriuComponentDropped = new("XS1005", "The thread uses a component that the target's processor lacks",
        Severity.Error,
            "CRIU restores the components that image and processor both have and leaves out the others without a word, unless "
            + "cpuinfo.img was dumped and is checked (--cpu-cap fpu). The thread goes on with "
            + "zeros in registers that were in use.",
            "Choose a target that has the component.",
            "CRIU criu/arch/x86/crtools.c, restore_fpu");

    /// <summary>XS1006: CRIU gives up before it restores the thread.</summary>
    internal static readonly Rule CriuGivesUp = new("XS1006", "CRIU gives up before it restores the thread", Severity.Error,
            "CRIU compares the size that the target's CPUID gives for each component with the size of the field in its image, and "
            + "refuses the restore when they differ. EPYC Rome gives 64 bytes for PKRU.",
            "Choose another target.",
            "CRIU criu/arch/x86/crtools.c, restore_fpu; survey of 588 CPUID dumps");

    /// <summary>XS1007: The kernel kills the restored thread.</summary>
    internal static readonly Rule ThreadKilled = new("XS1007", "The kernel kills the restored thread", Severity.Error,
            "CRIU restores registers by a signal frame of its own making and rt_sigreturn. The processor loads it as it lies there; what "
            + "it does not take (an MXCSR bit that it lacks, a component that the kernel "
            + "did not enable) ends the thread with SIGSEGV.",
            "See the reason in the message; xstate fix masks MXCSR.",
            "Linux arch/x86/kernel/fpu/signal.c");

    /// <summary>XS1008: The target lacks instructions that the process may have chosen.</summary>
    internal static readonly Rule InstructionsLacking = new("XS1008", "The target lacks instructions that the process may have chosen",
        Severity.Warning,
            "Programs and libraries choose code by CPUID when they start (glibc's memcpy is one of many). Where the target lacks a "
            + "feature that the processor of the start had, such code takes #UD.",
            "Restore on a processor that has the features, or start processes with them hidden.",
            "CRIU criu cpuinfo check, --cpu-cap ins");

    /// <summary>XS1009: criu cpuinfo check refuses this target because of sizes.</summary>
    internal static readonly Rule CpuinfoCheckRefuses = new("XS1009", "criu cpuinfo check refuses this target because of sizes",
        Severity.Info,
            "criu cpuinfo check compares the sizes of the XSAVE area for equality, because it cannot know whether a C library remembers "
            + "them. Whether that matters is XS1001; whether registers survive is what "
            + "the rehearsed restore says.",
            "Where the restore is the same and XS1001 is not found, restore without --cpu-cap fpu.",
            "CRIU criu/arch/x86/cpu.c, cpu_validate_features");

    /// <summary>XS1010: The core image of a thread is missing.</summary>
    internal static readonly Rule CoreImageMissing = new("XS1010", "The core image of a thread is missing", Severity.Error,
            "pstree.img lists the threads of every process of a dump, and each has a core image of its own. Without it CRIU restores "
            + "nothing.",
            "Copy the whole directory that criu dump wrote.",
            "CRIU images/pstree.proto, criu/cr-restore.c");

    /// <summary>XS1011: An alternate signal stack is too small for this processor's frames.</summary>
    internal static readonly Rule SignalStackTooSmall = new("XS1011", "An alternate signal stack is too small for this processor's frames",
        Severity.Error,
            "The kernel writes a frame for every signal, with an XSAVE area of all components that the processor has: about 1,300 bytes "
            + "with AVX, 3,200 with AVX-512, 11,500 with AMX in use. A thread that reserved an alternate stack (sigaltstack) for the "
            + "processor it started on, or the old MINSIGSTKSZ of 2048 and SIGSTKSZ of 8192, has too little on a larger one, and dies at "
            + "its first signal there.",
            "Restore on a processor without the larger components, or start the process with a stack of sysconf(_SC_SIGSTKSZ) bytes, "
            + "which follows AT_MINSIGSTKSZ.",
            "Linux arch/x86/kernel/signal.c, get_sigframe; 2beb4a53fc3f (5.14); measured on 6.18 with AVX-512");

    /// <summary>XS1012: The process was told of smaller signal frames.</summary>
    internal static readonly Rule SignalStackToldSmaller = new("XS1012", "The process was told of smaller signal frames", Severity.Warning,
            "AT_MINSIGSTKSZ in the auxiliary vector, which sysconf(_SC_MINSIGSTKSZ) returns, is what the kernel needs for a frame on the "
            + "processor that the process started on. A restored process keeps it, and whatever it reserved by it; "
            + "threads that it makes later reserve too little as well.",
            "Compare with the sizes of its alternate stacks, which images of CRIU hold and cores do not.",
            "Linux 5.14, Documentation/arch/x86/elf_auxvec.rst");

    /// <summary>XS1013: MXCSR goes with AVX.</summary>
    internal static readonly Rule MxcsrGoesWithAvx = new("XS1013", "MXCSR goes with AVX", Severity.Info,
            "CRIU from 3.18 on leaves components out of the frame that a thread does not use. sigreturn makes them initial by XRSTOR of "
            + "the kernel's initial image; in the standard format that loads MXCSR whenever AVX is asked for, although SSE was "
            + "restored from the frame before. Kernels that keep the compacted format, with XSAVES or from 5.19 on with XSAVEC, leave "
            + "MXCSR alone.",
            "Restore with CRIU up to 3.17, which restores every component, or on a processor with XSAVES; or let the thread use AVX "
            + "before the dump.",
            "SDM Vol. 1, 13.8.1 and 13.8.2; CRIU 4930c9802 (3.18)");

    /// <summary>XS1014: The shadow stack of a thread is not restored.</summary>
    internal static readonly Rule ShadowStackLost = new("XS1014", "The shadow stack of a thread is not restored", Severity.Error,
            "A thread with a shadow stack (CET) needs three things again: a processor with CET_SS, Linux 6.6 or later, and CRIU 4.0 or "
            + "later. CRIU warns and goes on without a shadow stack where the processor has none; where the processor has it and the "
            + "kernel does not, its arch_prctl is refused and the restore ends; an older CRIU does not know of it. A thread that goes on "
            + "without is no longer protected.",
            "Restore on a processor with CET_SS under Linux 6.6 or later with CRIU 4.0 or later, or start the process without a shadow "
            + "stack.",
            "CRIU 4.2 criu/arch/x86/shstk.c, task_needs_shstk and arch_shstk_trampoline; read, not run");

    /// <summary>XS1015: CRIU refuses the image before any call.</summary>
    internal static readonly Rule CriuRefusesImage = new("XS1015", "CRIU refuses the image before any call", Severity.Error,
            "An image with XSAVE state is not restored on a processor without XSAVE, unless CRIU is told to leave the state out.",
            "Choose another target; --cpu-cap none of criu restore leaves out what is not x87 or SSE.",
            "CRIU criu/arch/x86/crtools.c, valid_xsave_frame");

    /// <summary>XS1016: CRIU's check of the processor refuses the target.</summary>
    internal static readonly Rule CriuRefusesProcessor = new("XS1016", "CRIU's check of the processor refuses the target", Severity.Error,
            "With --cpu-cap criu restore compares the processor in cpuinfo.img with its own before it makes a thread: XSAVE features, "
            + "components and sizes of the area (fpu), features of instructions (ins), every feature word (cpu). Without the option the "
            + "image is not read.",
            "Choose another target, or restore without the part of --cpu-cap that refuses, when the rehearsal without it is the same.",
            "CRIU criu/arch/x86/cpu.c, cpu_validate_features");

    /// <summary>XS1101: The checksum of the snapshot does not hold.</summary>
    internal static readonly Rule ChecksumBroken = new("XS1101", "The checksum of the snapshot does not hold", Severity.Error,
            "A Firecracker snapshot ends with the CRC64 of everything before it. Firecracker computes it before it looks at anything "
            + "else and refuses the file when it differs, so the file was "
            + "damaged, or changed by something that did not know of it. What was decoded may be damaged too.",
            "Take the snapshot from a copy whose checksum holds. Xstate keeps a checksum that held valid when it writes a change, and "
            + "never makes a broken one valid.",
            "Firecracker src/vmm/src/snapshot, 1.0 to 1.16");

    /// <summary>XS1102: The snapshot's structure is not what its version says.</summary>
    internal static readonly Rule SnapshotMisfit = new("XS1102", "The snapshot's structure is not what its version says", Severity.Warning,
            "The version of a Firecracker snapshot tells which structures stand before the virtual CPUs. When walking them fails, or "
            + "does not find the same virtual CPUs as a search for their registers, "
            + "the file comes from a development build or was changed.",
            "Compare the registers that were decoded with what is known of the guest before relying on them.",
            "Firecracker 1.7 to 1.14; 1.13 and 1.14 both write version 8.0.0, with different structures");

    /// <summary>XS1103: The snapshot has only a part of the guest's extended state.</summary>
    internal static readonly Rule SnapshotIncomplete = new("XS1103", "The snapshot has only a part of the guest's extended state",
        Severity.Error,
            "The monitor asked KVM for 4096 bytes, but the guest has components that lie behind them: AMX tile data needs 11,008. Cloud "
            + "Hypervisor before 50 and Firecracker before 1.12 saved no more, and "
            + "what is missing becomes initial in the guest.",
            "Hide AMX from guests that such a monitor snapshots, or use Cloud Hypervisor 50, Firecracker 1.12 or later.",
            "KVM_CAP_XSAVE2, Linux 5.17; read from the monitors' sources");

    /// <summary>XS1104: The snapshot has x87 and XMM registers twice, and they differ.</summary>
    internal static readonly Rule FpuDisagrees = new("XS1104", "The snapshot has x87 and XMM registers twice, and they differ",
        Severity.Error,
            "Cloud Hypervisor saves KVM_GET_FPU beside KVM_GET_XSAVE and restores it last: KVM_SET_FPU overwrites x87 and XMM registers "
            + "as far as bits 0 and 1 of XSTATE_BV are set, and never MXCSR. A "
            + "tool that changed only one of the two changed nothing, or half.",
            "Change fpu and xsave.region together, as xstate fix and xstate set do.",
            "Cloud Hypervisor KvmVcpu::set_state; KVM_SET_FPU measured on seven kernels");

    /// <summary>XS1105: The monitor leaves out MSRs that the kernel refuses.</summary>
    internal static readonly Rule MsrsLeftOut = new("XS1105", "The monitor leaves out MSRs that the kernel refuses", Severity.Error,
            "Cloud Hypervisor sets MSRs one group after another, leaves out what the kernel refuses with a warning in its log, and "
            + "resumes the guest. A guest that relies on the register finds it "
            + "missing or zero.",
            "Choose a destination whose kernel takes the register; see the finding beside this one.",
            "Cloud Hypervisor KvmVcpu::set_state");

    /// <summary>XS1106: The snapshot's CPUID describes another layout than its area has.</summary>
    internal static readonly Rule SnapshotLayoutForeign = new("XS1106", "The snapshot's CPUID describes another layout than its area has",
        Severity.Warning,
            "The area carries the MXCSR_MASK of the processor that wrote it, and the offsets in leaf 0xD are another vendor's: the area "
            + "was relocated to another processor after it was saved, and "
            + "the guest's CPUID was kept. The area is read with the layout that fits its MXCSR_MASK.",
            "Give the layout with --layout when it is known.",
            "MXCSR_MASK is 2FFFF on AMD and FFFF on Intel; survey of 588 CPUID dumps");

    /// <summary>XS1107: The snapshot's MSRs are not told.</summary>
    internal static readonly Rule SnapshotMsrsNotTold = new("XS1107", "The snapshot's MSRs are not told", Severity.Info,
            "snapshot-editor sorts the words of a list of MSRs before it prints them, numbers and values alike, and prints the last list "
            + "only. Which value belongs to which register is lost in the text, not in the "
            + "snapshot. IA32_XSS, IA32_XFD and CET's registers are unknown: a rehearsal tries what they could be and says where the "
            + "answer hangs on them.",
            "Give --xss and --xfd where they are known. A snapshot of Firecracker up to 1.14 can be read itself, with its MSRs.",
            "Firecracker src/vmm/src/arch/x86_64/vcpu.rs, Debug of VcpuState");

    /// <summary>XS1201: A component's sub-leaf of CPUID leaf 0xD is all zero.</summary>
    internal static readonly Rule SubleafZero = new("XS1201", "A component's sub-leaf of CPUID leaf 0xD is all zero", Severity.Warning,
            "Leaf 0xD.0 or 0xD.1 announces the component and its own sub-leaf says nothing: the program that took the dump printed "
            + "zeros, or a hypervisor offers the bit without the sub-leaf. Size and "
            + "offset are not known and not guessed.",
            "Take the dump again, or give the missing sub-leaf with --host-layout and a dump of the same processor model.",
            "Survey of 588 dumps; SDM Vol. 1, 13.2");

    /// <summary>XS1202: A component's sub-leaf of CPUID leaf 0xD is not recorded.</summary>
    internal static readonly Rule SubleafAbsent = new("XS1202", "A component's sub-leaf of CPUID leaf 0xD is not recorded",
        Severity.Warning,
            "Leaf 0xD.0 or 0xD.1 announces the component and the dump has no answer for its sub-leaf. Programs that ask leaf by leaf, "
            + "and old ones that stop at the first empty sub-leaf, leave it out.",
            "Take the dump again with cpuid -r or from /dev/cpu/0/cpuid, or give the missing sub-leaf with --host-layout and a dump of "
            + "the same processor model.",
            "Survey of 588 dumps; SDM Vol. 1, 13.2");

    /// <summary>XS1203: CPUID announces XSAVE and leaf 0xD.0 says nothing.</summary>
    internal static readonly Rule XsaveLeafSilent = new("XS1203", "CPUID announces XSAVE and leaf 0xD.0 says nothing", Severity.Warning,
            "Leaf 1 has XSAVE, and leaf 0xD.0 is all zero or not recorded, so not even the set of components is known. Every processor "
            + "with XSAVE has x87 and SSE in that mask.",
            "Take the dump again, or give leaf 0xD with --host-layout and a dump of the same processor model.",
            "Survey of 588 dumps; SDM Vol. 1, 13.2");

    /// <summary>XS1204: A component's sub-leaf of CPUID leaf 0xD names an impossible place.</summary>
    internal static readonly Rule SubleafImpossible = new("XS1204", "A component's sub-leaf of CPUID leaf 0xD names an impossible place",
        Severity.Warning,
            "The component would begin inside the legacy region or the header, or be empty, or reach beyond the size that leaf 0xD.0 "
            + "states for all components together.",
            "Take the dump again. If it is what a hypervisor shows its guest, that guest cannot use the component safely.",
            "SDM Vol. 1, 13.2 and 13.4");

    /// <summary>XS1205: Leaf 0xD.1 is not recorded.</summary>
    internal static readonly Rule XsaveFeaturesAbsent = new("XS1205", "Leaf 0xD.1 is not recorded", Severity.Info,
            "Without it nothing tells whether the processor has XSAVEOPT, XSAVEC, XSAVES and XFD, nor which supervisor components there "
            + "are. They are taken for absent, never for present.",
            "Take the dump again with a program that asks for every sub-leaf.",
            "SDM Vol. 1, 13.2");

    /// <summary>XS1206: A sub-leaf was told by the order or the looks of its answer.</summary>
    internal static readonly Rule SubleafInferred = new("XS1206", "A sub-leaf was told by the order or the looks of its answer",
        Severity.Info,
            "The dump does not number the answers of a leaf with sub-leaves. Where those in use have no holes, order numbers them; AVX "
            + "state has one size and one place on every processor.",
            "Take the dump again with a program that numbers sub-leaves.",
            "SDM Vol. 1, 13.5.2; survey of 588 dumps");

    /// <summary>XS1207: An answer of the dump has no place.</summary>
    internal static readonly Rule AnswerWithoutPlace = new("XS1207", "An answer of the dump has no place", Severity.Warning,
            "Its sub-leaf is not told and cannot be inferred, or another answer has the place already. It is kept apart and nothing is "
            + "concluded from it.",
            "Take the dump again with a program that numbers sub-leaves.",
            "Survey of 588 dumps");

    /// <summary>XS1208: An answer belongs to a leaf that the processor does not have.</summary>
    internal static readonly Rule AnswerBeyondLastLeaf = new("XS1208", "An answer belongs to a leaf that the processor does not have",
        Severity.Info,
            "Beyond its last leaf a processor repeats the last basic leaf or answers zeros. Programs that ask for a fixed range record "
            + "that as if it were an answer; as leaf 0xD it would announce components "
            + "that do not exist.",
            "Nothing: the answer is left out.",
            "SDM Vol. 2A, CPUID; measured in a dump of QEMU's qemu64");

    /// <summary>XS1209: Logical processors answer CPUID leaf 0xD differently.</summary>
    internal static readonly Rule ProcessorsDiffer = new("XS1209", "Logical processors answer CPUID leaf 0xD differently", Severity.Warning,
            "The first processor of the dump stands for the machine. State of a thread that ran on another one may have another layout.",
            "Give the dump of the processor in question alone.",
            "SDM Vol. 1, 13.2");

    /// <summary>XS1210: The CPUID of leaf 0 or of some processors is unknown.</summary>
    internal static readonly Rule VendorUnknown = new("XS1210", "The CPUID of leaf 0 or of some processors is unknown", Severity.Info,
            "The dump does not record leaf 0, which names the vendor, or asks for more remarks than are kept.",
            "Take the dump again.",
            "Survey of 588 dumps");

    /// <summary>XS1211: This is the CPUID of a guest.</summary>
    internal static readonly Rule CpuidOfGuest = new("XS1211", "This is the CPUID of a guest", Severity.Info,
            "What KVM and the monitor on that host give a guest. The processor may have components that this kernel's KVM did not offer: "
            + "Granite Rapids shows 0x2e7 on Linux 5.10 and 0x602e7 on 6.1.",
            "For the host itself, record it: xstate host -o FILE.",
            "Firecracker's fingerprints of two kernels on one processor");

    /// <summary>XS1212: The CPU model has names of features and no layout.</summary>
    internal static readonly Rule ModelWithoutLayout = new("XS1212", "The CPU model has names of features and no layout", Severity.Info,
            "Names tell which components there are. Their sizes and offsets belong to one processor and stand in CPUID leaf 0xD only, "
            + "which QEMU's and libvirt's descriptions do not have.",
            "Give a CPUID dump or host record; as HOST, give one with --host-layout.",
            "QEMU query-cpu-model-expansion; libvirt CPU map");

    /// <summary>XS1213: The CPU model rests on another one that is not described here.</summary>
    internal static readonly Rule ModelBaseUnknown = new("XS1213", "The CPU model rests on another one that is not described here",
        Severity.Warning,
            "The artifact names a base model and the differences to it. Components that only the base can tell are undecided, neither "
            + "present nor absent.",
            "Look the base up in libvirt's CPU map, or ask QEMU with query-cpu-model-expansion type=full.",
            "libvirt domain capabilities and CPU map");

    /// <summary>XS1214: The CPU model names a component that no guest can enable.</summary>
    internal static readonly Rule ModelComponentUnusable = new("XS1214", "The CPU model names a component that no guest can enable",
        Severity.Warning,
            "The feature is named, and XSAVE or a component that it builds upon is ruled out: XCR0 with its bit alone takes #GP.",
            "Add the missing feature to the model, or take this one away.",
            "SDM Vol. 1, 13.3");

    /// <summary>XS1215: The CPU model is not known to the program that was asked.</summary>
    internal static readonly Rule ModelUnknown = new("XS1215", "The CPU model is not known to the program that was asked", Severity.Warning,
            "The answer is an error, not a description. A newer QEMU may know the model.",
            "Ask a QEMU that knows the model.",
            "QEMU query-cpu-model-expansion");

    /// <summary>XS1216: The template changes a leaf that this CPUID does not have.</summary>
    internal static readonly Rule TemplateLeafAbsent = new("XS1216", "The template changes a leaf that this CPUID does not have",
        Severity.Error,
            "Firecracker refuses to apply a template to a leaf that KVM did not offer. A template for one kernel's KVM may not fit "
            + "another's: the AMX sub-leaves of 0xD exist from Linux 5.17 on.",
            "Take the template for this kernel.",
            "Firecracker CPU templates; measured with two kernels' fingerprints");

    /// <summary>XS1217: What is known of the host was put together.</summary>
    internal static readonly Rule HostPutTogether = new("XS1217", "What is known of the host was put together", Severity.Info,
            "Its CPUID is not one processor's own answer: components come from names of features or from a guest's view, places from "
            + "another dump. The answer is as good as the parts fit.",
            "For certainty record the host: xstate host --probe -o FILE.",
            "Provenance of the host");

    /// <summary>XS1218: Text around a dump was passed over.</summary>
    internal static readonly Rule TextPassedOver = new("XS1218", "Text around a dump was passed over", Severity.Info,
            "A prompt, a fence or other lines of a log stand around the dump. They are no part of it, and nothing of them is in the "
            + "answer.",
            "Nothing, if the dump itself is whole. A line of the dump that was broken in two is refused, not passed over.",
            "Dumps as people paste them into tickets");

    /// <summary>XS1301: The kernel ignores a PKRU that a tracer writes.</summary>
    internal static readonly Rule TracerPkruIgnored = new("XS1301", "The kernel ignores a PKRU that a tracer writes", Severity.Error,
            "From 5.14 PKRU is kept outside the buffer that PTRACE_SETREGSET fills, and until 6.1.6, 6.2 and 5.15.88 nothing carried it "
            + "over: the call answers success, and the thread keeps its PKRU. "
            + "Debuggers, checkpoint and restore lose it without an error.",
            "Let the thread execute WRPKRU itself, or use a kernel that takes the write.",
            "Linux e84ba47e313d (5.14); ended by 4a804c4f8356 (6.2, 6.1.6, 5.15.88)");

    /// <summary>XS1302: A register reads back other than it was written.</summary>
    internal static readonly Rule RegisterReadsBackOther = new("XS1302", "A register reads back other than it was written", Severity.Error,
            "PTRACE_SETREGSET answered success, but PTRACE_GETREGSET gives another value than the one that was written.",
            "Compare with a kernel of another release, and report it: no kernel that was measured does this to registers other than PKRU.",
            "Read-back of every write");

    /// <summary>XS1303: A thread did not stop.</summary>
    internal static readonly Rule ThreadDidNotStop = new("XS1303", "A thread did not stop", Severity.Warning,
            "A thread that sleeps uninterruptibly, usually in a file system or a driver, cannot be stopped, so its registers cannot be "
            + "read. Its last user state is in the kernel until it returns.",
            "Try again later, or find out what it waits for in /proc/PID/task/TID/stack.",
            "ptrace(2), PTRACE_INTERRUPT");

    /// <summary>XS1304: A thread's PKRU closes key 0.</summary>
    internal static readonly Rule DefaultKeyClosed = new("XS1304", "A thread's PKRU closes key 0", Severity.Warning,
            "All memory of a process has protection key 0 until pkey_mprotect gives it another: stack, heap, and what the C library "
            + "keeps. A thread whose PKRU has AD or WD of key 0 set takes SIGSEGV with SEGV_PKUERR "
            + "at its next access or write there, unless it runs code written for that. Before Linux 6.12 any signal kills it, because "
            + "the kernel cannot write the frame.",
            "Unless it was meant so, clear bits 0 and 1 of PKRU; Linux gives new threads 0x55555554.",
            "SDM Vol. 3A, 4.6.2; pkeys(7); signals measured on 6.1 and 6.12");

    /// <summary>XS1305: Threads start faster than they can be listed.</summary>
    internal static readonly Rule ThreadsStartTooFast = new("XS1305", "Threads start faster than they can be listed", Severity.Warning,
            "The threads of a process are listed again until nothing is new, because threads come and go while others are read. A "
            + "process that starts threads without end is given up after a number of listings.",
            "Stop the process (SIGSTOP) and read it then.",
            "proc(5), /proc/PID/task");

    /// <summary>XS1306: A thread ended before it could be read.</summary>
    internal static readonly Rule ThreadEnded = new("XS1306", "A thread ended before it could be read", Severity.Info,
            "The thread was in the list of the process and had ended when ptrace asked for it. It has no registers any more.",
            "Nothing; stop the process (SIGSTOP) before reading it, if every thread is needed.",
            "ptrace(2), ESRCH");

    /// <summary>XS1307: A thread may not be traced.</summary>
    internal static readonly Rule ThreadNotTraceable = new("XS1307", "A thread may not be traced", Severity.Warning,
            "Other threads of the process were read, this one was refused. ptrace answers EPERM to a zombie, to a thread that another "
            + "tracer has, to a kernel thread, to another user's process and to what Yama forbids.",
            "End the other tracer, or read the process with the rights that the message names.",
            "ptrace(2); Linux kernel/ptrace.c, security/yama/yama_lsm.c");

    /// <summary>XS1501: The length of a register set is not the kernel's.</summary>
    internal static readonly Rule RegisterSetLength = new("XS1501", "The length of a register set is not the kernel's", Severity.Error,
            "PTRACE_SETREGSET takes multiples of 8 bytes (else EINVAL), and of NT_X86_XSTATE the whole set: as many bytes as this "
            + "processor's enabled components have in the standard format, with AMX also those of "
            + "tile data that the process may not use (else EFAULT). A program with a buffer of 4096 bytes meets that on processors with "
            + "AMX, whose set has 11,008.",
            "Write as many bytes as PTRACE_GETREGSET returned on the same machine; ask with a buffer of 16 KB.",
            "Linux arch/x86/kernel/fpu/regset.c, xstateregs_set; measured on 5.10, 6.1, 6.12 and 6.18");

    /// <summary>XS1502: The header names a component that the kernel does not enable.</summary>
    internal static readonly Rule ComponentNotEnabled = new("XS1502", "The header names a component that the kernel does not enable",
        Severity.Error,
            "A process can have the components in the kernel's XCR0 and no others. CPUID may announce more: a kernel that is older than "
            + "the component, or was told to leave it off, does not enable it. PTRACE_SETREGSET and the "
            + "sigreturn of a 32-bit process answer with an error, whatever the component's bytes are.",
            "Clear the bit in XSTATE_BV; the enabled components are at byte 464 of what PTRACE_GETREGSET returns.",
            "Linux validate_user_xstate_header; rr issue 2655");

    /// <summary>XS1503: The process has no permission for a dynamic component.</summary>
    internal static readonly Rule ComponentNotPermitted = new("XS1503", "The process has no permission for a dynamic component",
        Severity.Error,
            "AMX tile data is off for every process until it asks: its buffer has no room for it before. PTRACE_SETREGSET with bit 18 in "
            + "XSTATE_BV is refused until then.",
            "Let the process call arch_prctl(ARCH_REQ_XCOMP_PERM, 18) first, or clear bit 18.",
            "Linux 5.16, Documentation/arch/x86/xstate.rst");

    /// <summary>XS1504: A register set or frame is in compacted format.</summary>
    internal static readonly Rule RegisterSetCompacted = new("XS1504", "A register set is in compacted format", Severity.Error,
            "PTRACE_SETREGSET and the sigreturn of a 32-bit process take the standard format only: XCOMP_BV must be 0.",
            "Expand the area to the standard format first.",
            "Linux validate_user_xstate_header, all versions");

    /// <summary>XS1505: Reserved bytes of a register set's header are not zero.</summary>
    internal static readonly Rule RegisterSetHeader = new("XS1505", "Reserved bytes of a register set's header are not zero",
        Severity.Error,
            "Bytes 528 to 575 of NT_X86_XSTATE must be zero, as they must in the frame of a 32-bit process. Up to 5.13 the refusal left "
            + "the thread with the initial state.",
            "Zero bytes 528 to 575.",
            "Linux validate_user_xstate_header, all versions; measured on 5.10, 6.1, 6.12 and 6.18");

    /// <summary>XS1506: A register set's MXCSR has bits that the processor does not have.</summary>
    internal static readonly Rule RegisterSetMxcsr = new("XS1506", "A register set's MXCSR has bits that the processor does not have",
        Severity.Error,
            "From 5.14 PTRACE_SETREGSET refuses an MXCSR with a bit outside the processor's MXCSR_MASK, when XSTATE_BV has x87, SSE or "
            + "AVX (NT_PRFPREG: always). Before, the kernel dropped such bits without a word. AMD's processors "
            + "have bit 17, Intel's do not.",
            "Mask MXCSR with the MXCSR_MASK at byte 28 of what PTRACE_GETREGSET returns.",
            "Linux 145e9e0d8c6f, 07d6688b22e0 (5.14); measured on 5.10, 5.15 and 6.18");

    /// <summary>XS1507: The kernel takes x87 and SSE only from a signal frame.</summary>
    internal static readonly Rule FrameReadAsFxsave = new("XS1507", "The kernel takes x87 and SSE only from a signal frame",
        Severity.Warning,
            "The kernel describes the frame in bytes 464 to 487 and puts a second magic number behind it. A frame whose description does "
            + "not fit is taken for an FXSAVE image: sigreturn succeeds, and AVX, AVX-512, PKRU and all other "
            + "components become initial. Programs that build or copy frames of their own meet that: emulators, instrumentation, "
            + "checkpoint and restore.",
            "Keep magic1, extended_size, xfeatures and xstate_size as the kernel wrote them, and copy the four bytes of magic2 behind "
            + "the area too.",
            "Linux check_xstate_in_sigframe; measured on 5.10, 6.1, 6.12, 6.18 and 7.2; DynamoRIO issue 3812");

    /// <summary>XS1508: A signal frame does not list a component that it holds.</summary>
    internal static readonly Rule FrameComponentNotListed = new("XS1508", "A signal frame does not list a component that it holds",
        Severity.Warning,
            "sigreturn restores the components in xfeatures (bytes 472 to 479), whatever XSTATE_BV says. One that is missing there "
            + "becomes initial, without an error; PKRU becomes 0 then, which opens every key.",
            "Leave xfeatures as the kernel wrote it.",
            "Linux restore_fpregs_from_user; measured on 6.1, 6.12 and 6.18");

    /// <summary>XS1509: The processor refuses a signal frame.</summary>
    internal static readonly Rule FrameRefused = new("XS1509", "The processor refuses a signal frame", Severity.Error,
            "A 64-bit process's frame is loaded by XRSTOR as it lies in memory. What the instruction refuses (a component outside XCR0, "
            + "XCOMP_BV, bytes 528 to 535, MXCSR bits outside the mask) ends the process with SIGSEGV.",
            "Repair the field that the message names.",
            "SDM Vol. 1, 13.8.1; Linux arch/x86/kernel/fpu/signal.c");

    /// <summary>XS1510: A signal meets a stack that PKRU closes.</summary>
    internal static readonly Rule SignalKeyClosed = new("XS1510", "A signal meets a stack that PKRU closes", Severity.Error,
            "Up to 6.11 the kernel writes and reads the frame with the thread's own PKRU. With key 0 closed it cannot, and the signal, "
            + "or its return, ends the process with SIGSEGV.",
            "Keep key 0 open while signals can arrive, or use Linux 6.12 or later.",
            "Linux 70044df250d0, d10b554919d4 (6.12); measured on 6.1, 6.12 and 6.18");

    /// <summary>XS1511: The processor has no XSAVE register set.</summary>
    internal static readonly Rule NoXsaveRegisterSet = new("XS1511", "The processor has no XSAVE register set", Severity.Error,
            "Without XSAVE there is no NT_X86_XSTATE; ptrace answers ENODEV. x87 and SSE are in NT_PRFPREG.",
            "Use NT_PRFPREG.",
            "Linux arch/x86/kernel/fpu/regset.c, all versions");

    /// <summary>XS1512: A signal frame is smaller than this kernel's own.</summary>
    internal static readonly Rule FrameSmallerThanHosts = new("XS1512", "A signal frame is smaller than this kernel's own", Severity.Error,
            "Kernels with SIG-FRAME-HOST-SIZE look for the end of a frame where their own frames end, which depends on the processor. "
            + "CRIU and gVisor make frames as large as the components in them, and a process that was checkpointed "
            + "inside a handler has a frame of the processor it came from. There sigreturn takes x87 and SSE only: AVX, AVX-512 and PKRU "
            + "are lost without a word.",
            "Use a kernel without it: before 6.13, 6.18.35 and later of 6.18, 7.0.12 and later of 7.0, or 7.1 and later. xstate host "
            + "--probe tells.",
            "Linux dc8aa31a7ac2, reverted by 44eeff9bc467 (7.1); measured on 6.16.3 to 7.0.10");

    /// <summary>Every rule, by id.</summary>
    public static ImmutableArray<Rule> All { get; } =
    [
        HiddenComponents, ForeignComponents, CompactedImage, ReservedHeaderBytes, ReservedMxcsrBits, DynamicComponentEarly, ShortImage,
        StateNeedsXsave2, ProtectedState, LegacyStateRefused, UnknownCall, GuestKindLacking, AllZeroArea, BrokenXcr0, ForeignXcr0,
        MalformedXcrs, NoXsave, NoGuestPermission, CpuidFixed, TooManyCpuidEntries, ImpossibleAddressWidth, ProtectionKeysWithoutXcr0,
        ControlRegisterRefused, Cr0Refused, LongModeInconsistent, PartialComponentGroup, GateRefuses, GateNotRehearsed, MissingXss,
            XssRefused, CetRegisterRefused,
        TooManyMsrs, UnsetMsrsUnnoticed, MsrDiffers, RegisterDiffers, OldPkruKept, MxcsrReplaced, ForeignLayout, UnusableState,
        LiveComponentLacking, GuestToldOtherLayout, PromisedInstructionsLacking, PromisedFeaturesNotShown, PromisedControlsLacking,
        VendorNotTargets, GuestUsesXsavesOfErratum1386, ProcessorBecomesTargets,
        TileDataUnderXfd, FailureIgnored, LayoutGuessed, GuestCpuidUnknown, XsaveLeafIncomplete, FlavourNotModelled, NoPlaceInFormat,
        LostRegisters, EqualIds, RepairAtGuess, DependsOnUnknownFact, UnknownFactDoesNotMatter, OtherVmmThanFileNames,
        CoreLayoutUnknown, GcoreDamage, NotesDisagree, GcoreHeader, TruncatedCore, LayoutNoteMisfit, NoXsaveNote, AreaNotOfKernel,
        LostBeforeRepair, ExceptionsUnmasked, ValgrindCore, CoreWithoutWideState, StreamHidesRegisters, UpperHalvesLost, OtherX87Order,
        WriterGuessed, ZeroWithoutSubsection, FoundBySearch, OneOfSeveralSnapshots, RewrittenUncompressed, TcgCannotLoad,
        UnannouncedRegistersLeftOut, DynamicLinkerAreaTooSmall, CriuComponentShort, CriuComponentStale, CriuComponentNotCarried,
        CriuComponentDropped, CriuGivesUp, ThreadKilled, InstructionsLacking, CpuinfoCheckRefuses, CoreImageMissing,
        SignalStackTooSmall, SignalStackToldSmaller, MxcsrGoesWithAvx, ShadowStackLost, CriuRefusesImage, CriuRefusesProcessor,
        ChecksumBroken, SnapshotMisfit, SnapshotIncomplete, FpuDisagrees, MsrsLeftOut, SnapshotLayoutForeign, SnapshotMsrsNotTold,
            SubleafZero,
        SubleafAbsent, XsaveLeafSilent, SubleafImpossible, XsaveFeaturesAbsent, SubleafInferred, AnswerWithoutPlace,
        AnswerBeyondLastLeaf, ProcessorsDiffer, VendorUnknown, CpuidOfGuest, ModelWithoutLayout, ModelBaseUnknown,
        ModelComponentUnusable, ModelUnknown, TemplateLeafAbsent, HostPutTogether, TextPassedOver, TracerPkruIgnored,
            RegisterReadsBackOther,
        ThreadDidNotStop, DefaultKeyClosed, ThreadsStartTooFast, ThreadEnded, ThreadNotTraceable, RegisterSetLength,
        ComponentNotEnabled, ComponentNotPermitted, RegisterSetCompacted, RegisterSetHeader, RegisterSetMxcsr, FrameReadAsFxsave,
        FrameComponentNotListed, FrameRefused, SignalKeyClosed, NoXsaveRegisterSet, FrameSmallerThanHosts,
    ];

    /// <summary>The rule with an id (any case), or null.</summary>
    public static Rule? Find(string id) => All.FirstOrDefault(rule => string.Equals(rule.Id, id, StringComparison.OrdinalIgnoreCase));
}
