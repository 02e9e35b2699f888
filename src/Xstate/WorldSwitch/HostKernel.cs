using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>
/// What the kernel around the hypervisor does to a processor: NMIs, interrupts, the scheduler. The words are Linux's; OpenBSD does the same
/// where it matters here.
/// </summary>
internal static class HostKernel
{
    /// <summary>An interrupt whose handler or softirq uses the FPU; kernel_fpu_begin() first saves what is in the registers.</summary>
    public static EventRule InterruptUsesFpu { get; } = new(HostEvents.Irq, "interrupt uses the FPU",
        "kernel_fpu_begin() saves the registers' owner with XSAVES.", static (ref c) =>
    {
        if (!c.Cpu.Gif || !c.Cpu.InterruptsOn || c.Cpu.World == World.Guest)
        {
            return false;
        }

        c.HostMayReadXfdErr();
        if (!c.Vcpu.NeedsFpuLoad)
        {
            SaveOwner(ref c);
        }

        if (c.Cpu.World == World.HostUser)
        {
            // On the way back to user space the thread's own state is loaded again.
            c.Vcpu.NeedsFpuLoad = false;
        }

        return true;
    });

    /// <summary>The scheduler takes the thread off its processor.</summary>
    public static EventRule Preempt { get; } = new(HostEvents.Preempt, "preempted",
        "__switch_to(): FPU state is saved, thread.pkru = rdpkru(), and the next task's PKRU is loaded.", static (ref c) =>
    {
        if (!c.Cpu.Gif || !c.Cpu.InterruptsOn || c.Cpu.PreemptionOff || c.Cpu.World == World.Guest)
        {
            return false;
        }

        c.HostMayReadXfdErr();
        if (!c.Vcpu.NeedsFpuLoad)
        {
            SaveOwner(ref c);
        }

        c.Vcpu.ThreadPkru = c.Cpu.Pkru;
        if (c.Cpu.Pkru != PkruValue.HostThread)
        {
            c.HostWrpkru(PkruValue.HostThread);
        }

        c.Cpu.XfdArmed = true;
        c.Cpu.World = World.OtherTask;
        c.Vcpu.Cpu = -1;
        return true;
    });

    /// <summary>The scheduler puts the thread on a free processor.</summary>
    public static StepEffect Resume { get; } = static (ref c) =>
    {
        c.HostSavesFpu();
        if (c.Cpu.Pkru != c.Vcpu.ThreadPkru)
        {
            c.HostWrpkru(c.Vcpu.ThreadPkru);
        }

        if (c.Vcpu.Location == 0)
        {
            c.Cpu.World = World.HostUser;
            c.Vcpu.NeedsFpuLoad = false;
        }
        else
        {
            // kvm_arch_vcpu_load() runs from the preemption notifier.
            c.Cpu.World = World.HostKernel;
            c.Vcpu.HostPkru = c.Cpu.Pkru;
        }

        return true;
    };

    /// <summary>An NMI while host code runs.</summary>
    /// <param name="savesPkru">The proposal: the handler saves PKRU, loads the thread's, and puts back what it found.</param>
    public static EventRule NmiInHost(bool savesPkru) => new(
        HostEvents.Nmi,
        savesPkru ? "NMI: handler saves PKRU, loads the thread's, reads the user stack, puts PKRU back"
        : "NMI: handler reads the user stack",
        "perf walks the user stack of the current thread. Interrupts and further NMIs are held until IRET, so nothing comes in between.",
        (ref c) =>
        {
            if (!c.Cpu.Gif || c.Cpu.NmiBlocked || c.Cpu.World == World.Guest)
            {
                return false;
            }

            if (c.Cpu.UserAccessForbidden)
            {
                return true;
            }

            CpuState interrupted = c.Cpu;
            if (savesPkru)
            {
                c.HostWrpkru(c.ThreadPkru);
            }

            c.HostReadsUserMemory();
            if (savesPkru && c.Cpu.Pkru != interrupted.Pkru)
            {
                c.HostWrpkru(interrupted.Pkru);
            }

            return true;
        });

    /// <summary>An NMI while the guest runs, on VMX: the exit consumes it and blocks further ones.</summary>
    public static EventRule ExitByNmiOnVmx(int nmiExit, LeaveGuest leave) =>
        new(HostEvents.Nmi, "NMI: VM exit", "NMI exiting is set; the exit blocks NMIs as a delivery would (SDM Vol. 3C, 28.3).", (ref c) =>
    {
        if (c.Cpu.World != World.Guest)
        {
            return false;
        }

        leave(ref c, ExitReason.Nmi);
        c.Vcpu.Location = nmiExit;
        return true;
    });

    /// <summary>An NMI while the guest runs, on SVM: the exit leaves it pending until STGI.</summary>
    public static EventRule ExitByNmiOnSvm(int exited, LeaveGuest leave) =>
        new(HostEvents.Nmi, "NMI: #VMEXIT", "The intercepted NMI stays pending and is taken once GIF is 1 again.", (ref c) =>
    {
        if (c.Cpu.World != World.Guest)
        {
            return false;
        }

        leave(ref c, ExitReason.Ordinary);
        c.Vcpu.Location = exited;
        return true;
    });

    /// <summary>
    /// Machine checks. In the guest they exit. In the host their handler neither reads user memory nor uses the FPU, so only the exit
    /// matters. Under GIF=0 a processor holds them if it can and shuts down otherwise (APM Vol. 2, table 15-10): nothing runs under the
    /// guest's registers either way.
    /// </summary>
    public static ImmutableArray<EventRule> MachineCheck(int exited, LeaveGuest leave) =>
    [
        new(HostEvents.MachineCheck, "#MC: VM exit", "KVM intercepts machine checks.", (ref c) =>
        {
            if (c.Cpu.World != World.Guest)
            {
                return false;
            }

            leave(ref c, ExitReason.MachineCheck);
            c.Vcpu.Location = exited;
            return true;
        }),
    ];

    /// <summary>
    /// SMIs. KVM on SVM intercepts them in the guest, and GIF=0 holds them. On VMX they go to SMM without an exit and return (the default
    /// treatment, SDM Vol. 3C, "default treatment of SMIs and SMM"); neither save map holds XCR0 or PKRU, SMM code has its own page tables,
    /// and it reads no memory of host threads.
    /// </summary>
    public static ImmutableArray<EventRule> SmiOnSvm(int exited, LeaveGuest leave) =>
    [
        new(HostEvents.Smi, "SMI: #VMEXIT", "The intercepted SMI stays pending and is taken once GIF is 1 again.", (ref c) =>
        {
            if (c.Cpu.World != World.Guest)
            {
                return false;
            }

            leave(ref c, ExitReason.Ordinary);
            c.Vcpu.Location = exited;
            return true;
        }),
    ];

    private static void SaveOwner(ref StepContext context)
    {
        if (context.GuestOwnsFpu)
        {
            context.SaveGuestImage();
        }
        else
        {
            context.HostSavesFpu();
        }

        context.Vcpu.NeedsFpuLoad = true;
    }
}
