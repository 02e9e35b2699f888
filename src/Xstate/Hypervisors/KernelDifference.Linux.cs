using Xstate.Findings;

namespace Xstate.Hypervisors;

/// <content>Where ptrace, signals and the enabled components differ.</content>
public sealed partial class KernelDifference
{
    /// <summary>PTRACE-PKRU-IGN: PKRU written through ptrace is ignored.</summary>
    public static readonly KernelDifference PtracePkruIgnored = new("PTRACE-PKRU-IGN", Releases.From(5, 14).Until(6, 2).Except(5, 15, 88).Except(6, 1, 6))
    {
        Effect = "A PKRU written through PTRACE_SETREGSET is ignored, although reads show the true value.",
        Probe = "write PKRU of a child and read it back",
        Source = "e84ba47e313d (5.14); ended by 4a804c4f8356 (6.2, 6.1.6, 5.15.88)",
        Decides = [Rules.TracerPkruIgnored],
    };

    /// <summary>PTRACE-PKRU-INIT: bit 9 clear in a ptrace write zeroes PKRU.</summary>
    public static readonly KernelDifference PtracePkruInit = new("PTRACE-PKRU-INIT", Releases.Before(5, 14).Or(Releases.From(6, 2).Also(5, 15, 88).Also(6, 1, 6)))
    {
        Effect = "A ptrace write with bit 9 clear sets PKRU to 0, as XRSTOR would.",
        Note = "up to 5.13 XRSTOR did it",
        Probe = "write with bit 9 clear and read back",
        Source = "d7e5aceace51 (6.2); before e84ba47e313d (5.14) PKRU was restored with all other state",
        Decides = [Rules.TracerPkruIgnored],
    };

    /// <summary>PTRACE-SIZE-EFAULT: a regset write of another size is refused with EFAULT.</summary>
    public static readonly KernelDifference PtraceSizeEfault = new("PTRACE-SIZE-EFAULT", Releases.From(4, 8))
    {
        Effect = "An xstate regset shorter than the host's is refused with EFAULT, unless its length is no multiple of 8: that is "
            + "EINVAL. Before, the bytes that were given replaced those of the state.",
        Probe = "PTRACE_SETREGSET with eight bytes less",
        Source = "91c3dba7dbc1 (4.8); measured on 6.1, 6.12 and 6.18",
    };

    /// <summary>PTRACE-LENIENT: a ptrace write drops foreign MXCSR bits, and a refused header resets the state.</summary>
    public static readonly KernelDifference PtraceLenient = new("PTRACE-LENIENT", Releases.Before(5, 14))
    {
        Effect = "A ptrace write with MXCSR bits that the host lacks is taken without them, and a write with a bad header leaves the "
            + "initial state behind; later kernels refuse both and change nothing.",
        Probe = "PTRACE_SETREGSET with MXCSR=0xffff0000 succeeds",
        Source = "xstateregs_set before 'x86/fpu: Sanitize xstateregs_set()' (June 2021, 5.14) masked MXCSR and reset the state on "
            + "failure",
    };

    /// <summary>SIG-PKRU-FORCED: a signal frame always has bit 9.</summary>
    public static readonly KernelDifference SignalPkruForced = new("SIG-PKRU-FORCED", Releases.From(6, 13).Also(6, 12, 5))
    {
        Effect = "A signal frame has bit 9 in XSTATE_BV whatever PKRU holds. 6.12 without it writes frames with all keys open "
            + "(SIG-KEYS-OPEN), and on processors that track values, AMD's, bit 9 tells of that PKRU of 0: every sigreturn loses the "
            + "thread's own.",
        Probe = "PKRU 0 in a thread, signal, XSTATE_BV of the frame",
        Source = "ae6012d72fa6 (6.13, 6.12.5)",
    };

    /// <summary>SIG-KEYS-OPEN: signals are delivered and returned from with all protection keys open.</summary>
    public static readonly KernelDifference SignalKeysOpen = new("SIG-KEYS-OPEN", Releases.From(6, 12))
    {
        Effect = "A signal's frame is written and read with all protection keys open. Before, a thread whose PKRU forbids writes with "
            + "key 0 got SIGSEGV for every signal, and one whose frame forbids reads with it got SIGSEGV in sigreturn.",
        Probe = "PKRU of a thread forbids writes with key 0, signal with a handler",
        Source = "70044df250d0, d10b554919d4 (6.12); measured on 6.1, 6.12 and 6.18",
    };

    /// <summary>SIG-PKU-NO-XCR0: signals fail when PKU is there without 0xD bit 9.</summary>
    public static readonly KernelDifference SignalPkuWithoutXcr0 = new("SIG-PKU-NO-XCR0", Releases.From(6, 12))
    {
        Effect = "A guest kernel that sees PKU without bit 9 in 0xD.0 fails every signal delivery.",
        Note = "of the guest",
        Probe = "CPUID 7.0 ECX[3] set and 0xD.0 EAX[9] clear",
        Source = "ae6012d72fa6; case 1",
        Decides = [Rules.ProtectionKeysWithoutXcr0],
    };

    /// <summary>X86FPU-NOPKU: XCR0 bit 9 stays set although protection keys are off.</summary>
    public static readonly KernelDifference X86FpuNoPku = new("X86FPU-NOPKU", Releases.Before(6, 6))
    {
        Effect = "With protection keys off on the command line XCR0 bit 9 stays set.",
        Probe = "XGETBV against OSPKE",
        Source = "18032b47adf1 (6.6)",
    };

    /// <summary>X86FPU-TILES: the kernel enables AMX tiles.</summary>
    public static readonly KernelDifference X86FpuTiles = new("X86FPU-TILES", Releases.From(5, 16))
    {
        Effect = "The kernel knows the components XTILECFG and XTILEDATA and enables them in XCR0; before, both stay off.",
        Probe = "XGETBV on a processor with AMX",
        Source = "the AMX state components of 5.16",
    };

    /// <summary>X86FPU-APX: the kernel enables the extended general registers of APX.</summary>
    public static readonly KernelDifference X86FpuApx = new("X86FPU-APX", Releases.From(6, 16))
    {
        Effect = "The kernel knows component 19 and enables it in XCR0, and arch_prctl takes its number; before, it stays off.",
        Probe = "ARCH_REQ_XCOMP_GUEST_PERM with component 19: EINVAL before, EOPNOTSUPP since",
        Source = "50c5b071e283 (6.16)",
    };
}
