using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>Every protocol that can be explored by name.</summary>
internal static class SwitchProtocols
{
    private static readonly KvmSwitch Vmx50 = new(Virtualization.Vmx)
    {
        Xcr = XcrPlace.AroundRun,
        Test = PkruTest.Cr4Pke,
        HasXss = false,
        MachineCheckSchedules = true,
    };

    private static readonly KvmSwitch Vmx57 = Vmx50 with { Xcr = XcrPlace.InsideRun };
    private static readonly KvmSwitch Vmx58 = new(Virtualization.Vmx) { HasXfd = true };
    private static readonly KvmSwitch Vmx619 = Vmx58 with { Xcr = XcrPlace.AroundFastpath };
    private static readonly KvmSwitch Svm57 = new(Virtualization.Svm)
    {
        Test = PkruTest.Never,
        HasXss = false,
        MachineCheckSchedules = true
    };
    private static readonly KvmSwitch Svm50 = Svm57 with { Xcr = XcrPlace.AroundRun };
    private static readonly KvmSwitch Svm58 = new(Virtualization.Svm);
    private static readonly KvmSwitch Svm619 = Svm58 with { Xcr = XcrPlace.AroundFastpath };

    /// <summary>All protocols: real ones first, then settings, proposals, and those that are broken on purpose.</summary>
    public static ImmutableArray<SwitchProtocol> All { get; } =
    [
        Vmx50.Build("kvm-vmx-5.0", ProtocolKind.Real,
            "KVM on VMX before commit 1811d979c716 (5.1; stable trees earlier): XCR0 is given back after the run function, and so after "
            + "kvm_machine_check(), which could sleep."),
        Vmx57.Build("kvm-vmx-5.7", ProtocolKind.Real,
            "KVM on VMX up to 5.7: XCR0 next to the entry; PKRU is exchanged only if the guest's CR4.PKE is 1, although XSAVE and XRSTOR "
            + "reach it without (mended by commit 37486135d3a7)."),
        Vmx58.Build("kvm-vmx-5.8", ProtocolKind.Real,
            "KVM on VMX, 5.8 to 6.18: XCR0, IA32_XSS and PKRU are exchanged in vmx_vcpu_run() with interrupts off and NMIs open; PKRU if "
            + "CR4.PKE or XCR0[9] is 1. With AMX (5.17) and CET (6.18) for the guest."),
        Vmx619.Build("kvm-vmx-6.19", ProtocolKind.Real,
            "KVM on VMX since 6.19: the exchange is in vcpu_enter_guest(), around the loop of the fast path (commits 75c69c82f211, "
            + "7649412af3ea)."),
        Svm50.Build("kvm-svm-5.0", ProtocolKind.Real,
            "KVM on SVM before commit 1811d979c716: as kvm-vmx-5.0, for guests without protection keys."),
        Svm57.Build("kvm-svm-5.7", ProtocolKind.Real,
            "KVM on SVM up to 5.7: guests have no protection keys, taking for granted that the VMM offers neither CPUID.7.0.ECX[3] nor "
            + "CPUID.D.0.EAX[9]; XCR0 is exchanged between CLGI and STGI."),
        Svm58.Build("kvm-svm-5.8", ProtocolKind.Real,
            "KVM on SVM, 5.8 to 6.18: as on VMX, but between CLGI and STGI, where no NMI is delivered (guests have protection keys since "
            + "about 5.12)."),
        Svm619.Build("kvm-svm-6.19", ProtocolKind.Real,
            "KVM on SVM since 6.19: the exchange is in vcpu_enter_guest(), before CLGI and after STGI."),
        new OpenBsdVmmSwitch(Virtualization.Vmx).Build("openbsd-vmm-vmx", ProtocolKind.Real,
            "OpenBSD vmm on VMX, PKRU offered to guests: XCR0 and PKRU are exchanged unconditionally with interrupts off. CR4 is taken "
            + "as not intercepted. No NMI handler of OpenBSD is known to read user memory; the event asks what if."),
        new OpenBsdVmmSwitch(Virtualization.Svm).Build("openbsd-vmm-svm", ProtocolKind.Real,
            "OpenBSD vmm on SVM: the same between CLGI and STGI."),

        (Vmx58 with { ThreadPkru = PkruValue.Initial }).Build("kvm-vmx-5.8+vmm-pkru-0", ProtocolKind.Setting,
            "kvm-vmx-5.8 under a VMM whose thread runs with PKRU = 0: the image's XSTATE_BV[9] is the register's at the time the host "
            + "saves it."),
        (Svm58 with { ThreadPkru = PkruValue.Initial }).Build("kvm-svm-5.8+vmm-pkru-0", ProtocolKind.Setting,
            "kvm-svm-5.8 under a VMM whose thread runs with PKRU = 0, on processors where XINUSE[9] is 0 exactly when PKRU is."),

        (Vmx58 with { NmiSavesPkru = true }).Build("kvm-vmx-5.8+nmi-saves-pkru", ProtocolKind.Proposal,
            "Case 2's first idea against the NMI window: the NMI handler saves PKRU, loads the thread's, and restores what it found."),
        (Vmx58 with { Flag = UserAccessFlag.AroundSwitch }).Build("kvm-vmx-5.8+uaccess-flag", ProtocolKind.Proposal,
            "Case 2's second idea: a per-CPU flag, set before the guest's PKRU is loaded and cleared after the host's is back, makes "
            + "nmi_uaccess_okay() false."),
        (Vmx58 with { SkipsHiddenRdpkru = true }).Build("kvm-vmx-5.8+hidden-rdpkru", ProtocolKind.Proposal,
            "Case 2's hint: on exit the RDPKRU inside __write_pkru() is skipped, because the caller has just read the register."),
        (Vmx58 with { Test = PkruTest.Xcr0OrCr4PkeStepwise }).Build("kvm-vmx-5.8+reordered-tests", ProtocolKind.Proposal,
            "Case 2's reorder, merged in 5.19 (945024d764a1): the values are compared first, XCR0[9] is tested before CR4.PKE, each test "
            + "a step of its own."),
        (Vmx58 with { Test = PkruTest.Always }).Build("kvm-vmx-5.8+unconditional", ProtocolKind.Proposal,
            "kvm-vmx-5.8 without the condition: PKRU is exchanged whatever the guest has enabled."),
        (Vmx619 with { NmiSavesPkru = true }).Build("kvm-vmx-6.19+nmi-saves-pkru", ProtocolKind.Proposal,
            "The NMI handler saves PKRU, on the longer window of 6.19."),
        (Svm619 with { Flag = UserAccessFlag.AroundSwitch }).Build("kvm-svm-6.19+uaccess-flag", ProtocolKind.Proposal,
            "The flag on SVM since 6.19, where STGI opens the window."),

        (Vmx58 with { InterceptsCr4 = false }).Build("kvm-vmx-5.8-no-cr4-intercept", ProtocolKind.Broken,
            "MOV CR4 does not exit: the guest makes the condition true or false behind KVM's back."),
        (Vmx58 with { InterceptsXsetbv = false }).Build("kvm-vmx-5.8-no-xcr0-intercept", ProtocolKind.Broken,
            "XSETBV does not exit (on real VMX it always does)."),
        (Vmx58 with { RestoresPkru = false }).Build("kvm-vmx-5.8-no-restore", ProtocolKind.Broken,
            "The host's PKRU is not loaded after an exit."),
        (Vmx58 with { RestoresXcr0 = false }).Build("kvm-vmx-5.8-no-xcr0-restore", ProtocolKind.Broken,
            "The host's XCR0 is not loaded after an exit."),
        (Vmx58 with { RestoresXss = false }).Build("kvm-vmx-5.8-no-xss-restore", ProtocolKind.Broken,
            "The host's IA32_XSS is not loaded after an exit."),
        (Vmx58 with { ClearsXfdErr = false }).Build("kvm-vmx-5.8-xfd-err-not-cleared", ProtocolKind.Broken,
            "IA32_XFD_ERR of the guest stays in the register after an exit."),
        (Vmx58 with { ReportsPkruBit = false }).Build("kvm-vmx-5.8-get-drops-pkru-bit", ProtocolKind.Broken,
            "GET_XSAVE clears XSTATE_BV[9], as a trim by a wrong mask would."),
        (Vmx58 with { Flag = UserAccessFlag.InsideSwitch }).Build("kvm-vmx-5.8+uaccess-flag-late", ProtocolKind.Broken,
            "The flag the wrong way round: set after the guest's PKRU is loaded, cleared before the host's is back."),
    ];

    /// <summary>The protocol with this id.</summary>
    /// <exception cref="ArgumentException">There is none; the message names those that exist.</exception>
    public static SwitchProtocol Find(string id) =>
        All.FirstOrDefault(protocol => protocol.Id == id)
        ?? throw new ArgumentException($"unknown protocol '{id}'; known: {string.Join(", ", All.Select(protocol => protocol.Id))}",
            nameof(id));
}
