using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Hypervisors;

/// <content>Where ptrace, signals and the enabled components differ.</content>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed partial class KernelDifference
{
    /// <summary>PTRACE-PKRU-IGN: PKRU written through ptrace is ignored.</summary>
    internal static readonly KernelDifference PtracePkruIgnored = new("PTRACE-PKRU-IGN",
        Releases.From(5, 14).Until(6, 2).Except(5, 15, 88).Except(6, 1, 6))
    {
        Effect = "A PKRU written through PTRACE_SETREGSET is ignored, although reads show the true value.",
        Probe = "write PKRU of a child and read it back",
        Source = "e84ba47e313d (5.14); ended by 4a804c4f8356 (6.2, 6.1.6, 5.15.88)",
        Decides = [Rules.TracerPkruIgnored],
    };

    /// <summary>PTRACE-PKRU-INIT: bit 9 clear in a ptrace write zeroes PKRU.</summary>
    internal static readonly KernelDifference PtracePkruInit = new("PTRACE-PKRU-INIT",
        Releases.Before(5, 14).Or(Releases.From(6, 2).Also(5, 15, 88).Also(6, 1, 6)))
    {
        Effect = "A ptrace write with bit 9 clear sets PKRU to 0, as XRSTOR would.",
        Note = "up to 5.13 XRSTOR did it",
        Probe = "write with bit 9 clear and read back",
        Source = "d7e5aceace51 (6.2); before e84ba47e313d (5.14) PKRU was restored with all other state",
        Decides = [Rules.TracerPkruIgnored],
    };

    /// <summary>PTRACE-SIZE-EFAULT: a regset write of another size is refused with EFAULT.</summary>
    internal static readonly KernelDifference PtraceSizeEfault = new("PTRACE-SIZE-EFAULT", Releases.From(4, 8))
    {
        Effect = "An xstate regset shorter than the host's is refused with EFAULT, unless its length is no multiple of 8: that is "
            + "EINVAL. Before, the bytes that were given replaced those of the state.",
        Probe = "PTRACE_SETREGSET with eight bytes less",
        Source = "91c3dba7dbc1 (4.8); measured on 6.1, 6.12 and 6.18",
    };

    /// <summary>PTRACE-LENIENT: a ptrace write drops foreign MXCSR bits, and a refused header resets the state.</summary>
    internal static readonly KernelDifference PtraceLenient = new("PTRACE-LENIENT", Releases.Before(5, 14))
    {
        Effect = "A ptrace write with MXCSR bits that the host lacks is taken without them, and a write with a bad header leaves the "
            + "initial state behind; later kernels refuse both and change nothing.",
        Probe = "PTRACE_SETREGSET with MXCSR=0xffff0000 succeeds",
        Source = "xstateregs_set before 'x86/fpu: Sanitize xstateregs_set()' (June 2021, 5.14) masked MXCSR and reset the state on "
            + "failure",
    };

    /// <summary>PTRACE-RAW: NT_X86_XSTATE is the thread's buffer itself, where the kernel keeps the standard format.</summary>
    internal static readonly KernelDifference PtraceRawBuffer = new("PTRACE-RAW", Releases.Before(5, 14))
    {
        Effect = "NT_X86_XSTATE is the thread's buffer itself: a write copies every byte before the header is looked at, MXCSR reads "
            + "back as it "
            + "was written even without SSE and AVX, a refused header leaves MXCSR_MASK 0, and a read puts the kernel's own mask into "
            + "the buffer, "
            + "where NT_PRFPREG finds it.",
        Note = "on processors without XSAVES, where the kernel keeps the standard format",
        Probe = "PTRACE_SETREGSET with XSTATE_BV=1 and MXCSR=0x3f80 on a processor without XSAVES; PTRACE_GETREGSET gives 0x3f80 back",
        Source = "xstateregs_set and xstateregs_get before 43be46e89698 and eb6f51723f03 (5.14); measured on 5.4, 5.10 and 5.13",
    };

    /// <summary>PTRACE-FPREGS-RAW: NT_PRFPREG is the first 512 bytes of the thread's buffer, and a write may be short.</summary>
    internal static readonly KernelDifference PtraceRawFpregs = new("PTRACE-FPREGS-RAW", Releases.Before(5, 14))
    {
        Effect = "NT_PRFPREG reads the first 512 bytes of the thread's buffer, software bytes and MXCSR_MASK included; a write of any "
            + "multiple of "
            + "8 bytes up to 512 is taken, also of none, loses the MXCSR bits that the host lacks, and makes x87 and SSE count.",
        Probe = "PTRACE_SETREGSET with NT_PRFPREG and 8 bytes succeeds",
        Source = "xfpregs_set before 3a3351126ee8 (5.14); measured on 5.4, 5.10 and 5.13",
    };

    /// <summary>SIG-PKRU-FORCED: a signal frame always has bit 9.</summary>
    internal static readonly KernelDifference SignalPkruForced = new("SIG-PKRU-FORCED", Releases.From(6, 13).Also(6, 12, 5))
    {
        Effect = "A signal frame has bit 9 in XSTATE_BV whatever PKRU holds. 6.12 without it writes frames with all keys open "
            + "(SIG-KEYS-OPEN), and on processors that track values, AMD's, bit 9 tells of that PKRU of 0: every sigreturn loses the "
            + "thread's own.",
        Probe = "PKRU 0 in a thread, signal, XSTATE_BV of the frame",
        Source = "ae6012d72fa6 (6.13, 6.12.5)",
    };

    /// <summary>SIG-KEYS-OPEN: signals are delivered and returned from with all protection keys open.</summary>
    internal static readonly KernelDifference SignalKeysOpen = new("SIG-KEYS-OPEN", Releases.From(6, 12))
    {
        Effect = "A signal's frame is written and read with all protection keys open. Before, a thread whose PKRU forbids writes with "
            + "key 0 got SIGSEGV for every signal, and one whose frame forbids reads with it got SIGSEGV in sigreturn.",
        Probe = "PKRU of a thread forbids writes with key 0, signal with a handler",
        Source = "70044df250d0, d10b554919d4 (6.12); measured on 6.1, 6.12 and 6.18",
    };

    /// <summary>SIG-FRAME-HOST-SIZE: sigreturn looks for the end of a frame where the host's frames end.</summary>
    internal static readonly KernelDifference SignalFrameHostSize = new(
        "SIG-FRAME-HOST-SIZE",
        Releases.From(6, 16).Until(7, 1).Except(6, 18, 35).Except(7, 0, 12)
        .Unsettled(new KernelRelease(6, 13, 0), new KernelRelease(6, 15)))
    {
        Effect = "sigreturn ignores xstate_size and extended_size of a frame and looks for its second magic number where the frames of "
            + "this host "
            + "end. A frame that is smaller, made by CRIU or gVisor or on another processor, is taken for x87 and SSE only: all other "
            + "registers "
            + "become initial without a word.",
        Probe = "a child moves the second magic number of its frame to byte 832, with xstate_size 832, and loses AVX",
        Source = "dc8aa31a7ac2, reverted by 44eeff9bc467 (7.1); measured: 6.16.3, 6.16.12, 6.17.13, 6.18.5, 6.18.15, 6.19.6, 6.19.14, "
            + "7.0.4 and 7.0.10 "
            + "have it; 6.12.117, 6.18.44, 7.0.12, 7.0.13, 7.1.3 and 7.2.13 do not; the review of 6.18.35 has the revert",
        Decides = [Rules.FrameSmallerThanHosts],
    };

    /// <summary>SIG-STACK-CHECKED: a signal whose frame does not fit the alternate stack ends the process.</summary>
    internal static readonly KernelDifference SignalStackChecked = new("SIG-STACK-CHECKED", Releases.From(5, 14))
    {
        Effect = "A signal whose frame does not fit the alternate stack ends the process with SIGSEGV; before, the frame overwrote what "
            + "lies below "
            + "the stack.",
        Probe = "a child with an alternate stack of 2048 bytes and a signal, on a processor with AVX-512",
        Source = "2beb4a53fc3f (5.14); measured on 6.18",
        Decides = [Rules.SignalStackTooSmall],
    };

    /// <summary>SIG-PKU-NO-XCR0: signals fail when PKU is there without 0xD bit 9.</summary>
    internal static readonly KernelDifference SignalPkuWithoutXcr0 = new("SIG-PKU-NO-XCR0", Releases.From(6, 12))
    {
        Effect = "A guest kernel that sees PKU without bit 9 in 0xD.0 fails every signal delivery.",
        Note = "of the guest",
        Probe = "CPUID 7.0 ECX[3] set and 0xD.0 EAX[9] clear",
        Source = "ae6012d72fa6; case 1",
        Decides = [Rules.ProtectionKeysWithoutXcr0],
    };

    /// <summary>X86FPU-NOPKU: XCR0 bit 9 stays set although protection keys are off.</summary>
    internal static readonly KernelDifference X86FpuNoPku = new("X86FPU-NOPKU", Releases.Before(6, 6))
    {
        Effect = "With protection keys off on the command line XCR0 bit 9 stays set.",
        Probe = "XGETBV against OSPKE",
        Source = "18032b47adf1 (6.6)",
    };

    /// <summary>X86FPU-PKRU-SHOWN: reads show PKRU although bit 9 is clear.</summary>
    internal static readonly KernelDifference X86FpuPkruShown = new("X86FPU-PKRU-SHOWN", Releases.From(5, 14).Until(6, 1).Except(6, 0, 7))
    {
        Effect = "PTRACE_GETREGSET, and KVM_GET_XSAVE from 5.16 on, give the four bytes of PKRU whether or not XSTATE_BV has bit 9; "
            + "other kernels give zeros "
            + "when it is clear.",
        Probe = "PTRACE_SETREGSET with bit 9 clear on a kernel that ignores PKRU (PTRACE-PKRU-IGN); PTRACE_GETREGSET has the thread's "
            + "PKRU and no bit 9",
        Source = "copy_xstate_to_uabi_buf until 471f0aa7fa64 (6.1, 6.0.7) took PKRU for every component of the task; measured on "
            + "Ubuntu's 5.15.0-204",
    };

    /// <summary>X86FPU-XSAVEC: the kernel keeps its buffers compacted with XSAVEC alone.</summary>
    internal static readonly KernelDifference X86FpuXsavec = new("X86FPU-XSAVEC", Releases.From(5, 19))
    {
        Effect = "On a processor, or in a guest, that has XSAVEC and not XSAVES the kernel keeps its buffers compacted: MXCSR goes with "
            + "SSE alone. Before, it "
            + "kept the standard format there, in which AVX brings MXCSR along.",
        Probe = "PTRACE_SETREGSET with XSTATE_BV=4 and MXCSR=0x3f80; the child's STMXCSR gives 0x1f80",
        Source = "8ad7e8f69695 (5.19)",
    };

    /// <summary>X86-ERRATUM-1386: the kernel turns XSAVES off on AMD's family 17h.</summary>
    internal static readonly KernelDifference X86Erratum1386 = new(
        "X86-ERRATUM-1386",
        Releases.From(6, 3).Also(4, 19, 307).Also(5, 4, 269).Also(5, 10, 175).Also(5, 15, 103).Also(6, 1, 20).Also(6, 2, 7))
    {
        Effect = "On AMD's family 17h the kernel does without XSAVES, and KVM does not offer it to guests: 0xD.1 EAX[3] is clear, "
            + "although CPUID of the processor has it.",
        Note = "on AMD's family 17h (EPYC 7001 and 7002, Ryzen 1000 to 3000)",
        Probe = "on such a processor KVM_GET_SUPPORTED_CPUID has no XSAVES in 0xD.1 EAX",
        Source = "b0563468eeac (6.3) and its backports in 5.10.175, 5.15.103, 6.1.20 and 6.2.7 of March 2023 (their announcements); "
            + "4.19.278 and "
            + "the 5.4 of that month put it into a function that is not called on these processors, which 4.19.307 and 5.4.269 mended "
            + "(reviews "
            + "of 21 February 2024)",
    };

    /// <summary>X86-ERRATUM-1386-UCODE: it does so only with microcode from before the fix.</summary>
    internal static readonly KernelDifference X86Erratum1386Microcode = new("X86-ERRATUM-1386-UCODE", Releases.From(6, 10))
    {
        Effect = "A kernel with X86-ERRATUM-1386 leaves XSAVES on where the microcode has the fix: 0x08301052 for model 31h, 0x0800126e "
            + "for model 1h stepping 2.",
        Note = "on AMD's family 17h",
        Probe = "on such a processor with fixed microcode KVM_GET_SUPPORTED_CPUID has XSAVES in 0xD.1 EAX",
        Source = "the improved workaround of 6.10; Proxmox has it from 6.5.13-6 and after 6.8.4-2",
    };

    /// <summary>X86-USER-SHSTK: processes can have shadow stacks.</summary>
    internal static readonly KernelDifference UserShadowStack = new("X86-USER-SHSTK", Releases.From(6, 6))
    {
        Effect = "A process can have a shadow stack: arch_prctl takes ARCH_SHSTK_ENABLE, and ptrace has NT_X86_SHSTK. Before, both are "
            + "refused.",
        Note = "with CONFIG_X86_USER_SHADOW_STACK",
        Configuration = "CONFIG_X86_USER_SHADOW_STACK",
        Probe = "arch_prctl(ARCH_SHSTK_STATUS) of a child: EINVAL before",
        Source = "the shadow stack series of 6.6",
        Decides = [Rules.ShadowStackLost],
    };

    /// <summary>X86FPU-TILES: the kernel enables AMX tiles.</summary>
    internal static readonly KernelDifference X86FpuTiles = new("X86FPU-TILES", Releases.From(5, 16))
    {
        Effect = "The kernel knows the components XTILECFG and XTILEDATA and enables them in XCR0; before, both stay off.",
        Probe = "XGETBV on a processor with AMX",
        Source = "the AMX state components of 5.16",
    };

    /// <summary>X86FPU-APX: the kernel enables the extended general registers of APX.</summary>
    internal static readonly KernelDifference X86FpuApx = new("X86FPU-APX", Releases.From(6, 16))
    {
        Effect = "The kernel knows component 19 and enables it in XCR0, and arch_prctl takes its number; before, it stays off.",
        Probe = "ARCH_REQ_XCOMP_GUEST_PERM with component 19: EINVAL before, EOPNOTSUPP since",
        Source = "50c5b071e283 (6.16)",
    };
}
