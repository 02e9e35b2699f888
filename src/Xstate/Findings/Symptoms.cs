using System.Collections.Immutable;

namespace Xstate.Findings;

/// <summary>
/// From the words of an error to the rules behind it. The messages were read in the sources of the programs that print them.
/// </summary>
internal static class Symptoms
{
    private const string CheckSnapshot = "xstate check FILE --on HOST@KERNEL";

    /// <summary>All symptoms.</summary>
    public static ImmutableArray<Symptom> All { get; } =
    [
        new("KVM_SET_XSAVE: Invalid argument", "strace, and VMMs in their own words", ["einval", "ioctl", "kvm_set_xsave", "set_xsave"],
            [
                Rules.HiddenComponents, Rules.ForeignComponents, Rules.CompactedImage, Rules.ReservedHeaderBytes, Rules.ReservedMxcsrBits,
                Rules.DynamicComponentEarly, Rules.ProtectedState, Rules.LegacyStateRefused,
            ],
            CheckSnapshot),
        new("Putting registers after init: Failed to set XSAVE: Invalid argument",
            "QEMU from 9.2 on (before: Failed to put registers after init)",
            ["qemu", "libvirt", "einval", "migration", "incoming"],
            [Rules.HiddenComponents, Rules.ForeignComponents, Rules.ReservedMxcsrBits], CheckSnapshot),
        new("Failed to set XCRs: Invalid argument", "QEMU, and other VMMs in their own words", ["einval", "xcr0", "kvm_set_xcrs"],
            [Rules.BrokenXcr0, Rules.ForeignXcr0, Rules.MalformedXcrs, Rules.NoXsave], CheckSnapshot),
        new("Failed to set special registers: Invalid argument", "QEMU", ["einval", "kvm_set_sregs", "cr4", "efer"],
            [Rules.ControlRegisterRefused, Rules.Cr0Refused, Rules.LongModeInconsistent], CheckSnapshot),
        new("error: failed to set MSR 0xda0", "QEMU", ["ia32_xss", "xss", "kvm_set_msrs", "kvm_buf_set_msrs", "assertion"],
            [Rules.XssRefused, Rules.CetRegisterRefused, Rules.UnsetMsrsUnnoticed], CheckSnapshot),
        new("Failed to set KVM vcpu xsave: Invalid argument (os error 22)", "Firecracker", ["firecracker", "einval", "snapshot", "restore"],
            [Rules.HiddenComponents, Rules.ForeignComponents, Rules.DynamicComponentEarly], "xstate check VMSTATE --on HOST@KERNEL"),
        new("Unable to set XSAVE state", "VMMs and their front ends", ["einval", "xsave", "restore"],
            [Rules.HiddenComponents, Rules.ForeignComponents, Rules.ReservedHeaderBytes], CheckSnapshot),
        new("Bad FPU state detected at restore_fpregs_from_fpstate", "the Linux kernel, of a guest after a restore or of a host",
            ["bad fpu state detected", "copy_kernel_to_fpregs", "reinitializing fpu registers", "xrstor", "xrstors", "warning", "#gp"],
            [Rules.MissingXss, Rules.XssRefused, Rules.FrameRefused, Rules.TileDataUnderXfd, Rules.GuestToldOtherLayout],
            "xstate check FILE --on HOST@KERNEL; of a guest that was not moved: xstate lint its CPUID"),
        new("XSAVE consistency problem, dumping leaves", "the Linux kernel while it boots as a guest",
            ["size 880 != kernel_size 840", "kernel_size", "got supervisor feature", "boot", "panic"],
            [Rules.PartialComponentGroup, Rules.XsaveLeafIncomplete],
            "xstate lint CPUID, or the kernel's log itself: xstate lint dmesg.txt"),
        new("Illegal instruction (SIGILL) after a restore or a migration", "a program in the guest, or a restored process",
            ["sigill", "illegal instruction", "#ud", "invalid opcode", "avx512"],
            [Rules.PromisedInstructionsLacking, Rules.PromisedControlsLacking, Rules.LiveComponentLacking, Rules.InstructionsLacking],
            "xstate check FILE --on HOST@KERNEL --require cpuid"),
        new("<unavailable>, or: Section `.reg-xstate' too small", "gdb up to 13, of a core of an AMD processor with AVX-512",
            ["gdb", "reg-xstate", "in core file too small", "unavailable", "zmm"], [Rules.GcoreDamage, Rules.CoreLayoutUnknown],
            "xstate show CORE"),
        new("CPU xfeatures has unsupported bits", "criu restore and criu cpuinfo check", ["criu", "fpu", "xfeatures", "cpuinfo"],
            [Rules.CriuRefusesProcessor, Rules.CriuGivesUp, Rules.CriuComponentDropped],
            "xstate check DIRECTORY --on HOST@KERNEL --cpu-cap fpu"),
        new("PTRACE_SETREGSET: Invalid argument", "gdb, strace and checkpointing tools", ["ptrace", "einval", "nt_x86_xstate", "setregset"],
            [Rules.ComponentNotEnabled, Rules.RegisterSetCompacted, Rules.RegisterSetHeader, Rules.RegisterSetMxcsr,
                Rules.ComponentNotPermitted],
            "xstate check CORE --on HOST@KERNEL, or a scenario with ptrace_set"),
        new("PKRU reads back as another value, or reverts", "debuggers, checkpointing tools and guests",
            ["pkru", "protection keys", "reverts", "silently"],
            [Rules.TracerPkruIgnored, Rules.OldPkruKept, Rules.SignalKeyClosed],
            "xstate rules --kernel NAME, and xstate check FILE --on HOST@KERNEL"),
        new("Registers of AVX are zero after a signal handler or criu restore", "a process",
            ["sigreturn", "avx", "lost", "signal frame"], [Rules.FrameReadAsFxsave, Rules.FrameSmallerThanHosts],
            "xstate check FILE --on HOST@KERNEL"),
        new("Segmentation fault on an alternate signal stack", "a process with AVX-512 or AMX", ["sigsegv", "sigaltstack", "minsigstksz"],
            [Rules.SignalStackTooSmall, Rules.SignalStackToldSmaller],
            "xstate check FILE --on HOST@KERNEL; xstate show HOST tells the frame's size"),
    ];

    /// <summary>The symptoms that an error's words point at: those of which all words of the query occur, in any order and case.</summary>
    /// <param name="query">A message, a part of it, or words from it.</param>
    public static ImmutableArray<Symptom> Search(string query)
    {
        ArgumentNullException.ThrowIfNull(query);
        string[] asked = Split(query);
        return asked.Length == 0 ? [] : [.. All.Where(symptom => Matches(symptom, asked))];
    }

    // A whole message has numbers and names that the table leaves out: then the words of the table must all be in it.
    private static bool Matches(Symptom symptom, string[] asked)
    {
        HashSet<string> known = [.. Split(symptom.Text), .. symptom.Words.SelectMany(Split), .. Split(symptom.PrintedBy)];
        string[] text = Split(symptom.Text);
        return Array.TrueForAll(asked, known.Contains) || Array.TrueForAll(text, word => asked.Contains(word))
            || symptom.Words.Any(phrase => Split(phrase) is { Length: > 1 } words && Array.TrueForAll(words, word => asked.Contains(word)));
    }

    private static string[] Split(string text) =>
        text.ToLowerInvariant().Split([' ', ':', ',', ';', '(', ')', '`', '\'', '"', '<', '>', '.', '/', '+', '\n', '\t'],
            StringSplitOptions.RemoveEmptyEntries);
}
