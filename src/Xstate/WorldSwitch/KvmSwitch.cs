using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>A KVM, described by what distinguishes its switch from others.</summary>
internal sealed record KvmSwitch(Virtualization Virtualization)
{
    /// <summary>Where the registers are exchanged.</summary>
    public XcrPlace Xcr { get; init; } = XcrPlace.InsideRun;

    /// <summary>When PKRU is exchanged.</summary>
    public PkruTest Test { get; init; } = PkruTest.Cr4PkeOrXcr0;

    /// <summary>On exit, write the host's PKRU without the RDPKRU that __write_pkru() hides (case 2's hint, not merged).</summary>
    public bool SkipsHiddenRdpkru { get; init; }

    /// <summary>The guest may write IA32_XSS (6.18; older kernels accept only 0, which also differs from the host's value).</summary>
    public bool HasXss { get; init; } = true;

    /// <summary>The guest may have AMX, so IA32_XFD and IA32_XFD_ERR (5.17, Intel only).</summary>
    public bool HasXfd { get; init; }

    /// <summary>MOV to CR4 by the guest exits.</summary>
    public bool InterceptsCr4 { get; init; } = true;

    /// <summary>XSETBV by the guest exits.</summary>
    public bool InterceptsXsetbv { get; init; } = true;

    /// <summary>The host's PKRU is loaded after an exit.</summary>
    public bool RestoresPkru { get; init; } = true;

    /// <summary>The host's XCR0 is loaded after an exit.</summary>
    public bool RestoresXcr0 { get; init; } = true;

    /// <summary>The host's IA32_XSS is loaded after an exit.</summary>
    public bool RestoresXss { get; init; } = true;

    /// <summary>IA32_XFD_ERR is cleared after an exit.</summary>
    public bool ClearsXfdErr { get; init; } = true;

    /// <summary>GET_XSAVE reports XSTATE_BV[9] as the image has it; if not, it drops the bit.</summary>
    public bool ReportsPkruBit { get; init; } = true;

    /// <summary>The NMI handler saves PKRU, loads the thread's, and puts back what it found.</summary>
    public bool NmiSavesPkru { get; init; }

    /// <summary>A per-CPU flag makes nmi_uaccess_okay() false while the guest's PKRU may be live.</summary>
    public UserAccessFlag Flag { get; init; }

    /// <summary>The #MC handler may call schedule() (fixed long before 6.19 took the work-around out).</summary>
    public bool MachineCheckSchedules { get; init; }

    /// <summary>The PKRU of the VMM's thread.</summary>
    public PkruValue ThreadPkru { get; init; } = PkruValue.HostThread;

    private bool IsVmx => Virtualization == Virtualization.Vmx;

    private XcrExchange XcrExchange => new(HasXss, RestoresXcr0, RestoresXss);

    private PkruExchange PkruExchange => new(Test, Flag, RestoresPkru, SkipsHiddenRdpkru);

    private XfdExchange XfdExchange => new(ClearsXfdErr);

    /// <summary>The protocol.</summary>
    public SwitchProtocol Build(string id, ProtocolKind kind, string summary)
    {
        ProtocolBuilder protocol = new();
        WriteUserSpace(protocol);
        WriteEntry(protocol);
        WriteGuest(protocol);
        WriteExit(protocol);
        WriteExitHandling(protocol);
        return new SwitchProtocol(
            id,
            kind,
            summary,
            IsVmx ? SwitchInstructions.Intel : SwitchInstructions.Amd,
            ThreadPkru,
            protocol.Build(),
            WriteEvents(protocol),
            HostKernel.Resume,
            DeadValues(protocol));
    }

    /// <summary>
    /// From the entry on, the saved PKRU is dead if the exit will overwrite it, which the guest cannot prevent as long as CR4 and XCR0 are
    /// intercepted; the copy of IA32_XFD is dead until it is read back.
    /// </summary>
    private ForgetDeadValues DeadValues(ProtocolBuilder protocol)
    {
        PkruTest test = Test;
        bool pkru = Test != PkruTest.Never && InterceptsCr4 && InterceptsXsetbv;
        bool xfd = HasXfd;
        int entry = protocol.IndexOf("vm-entry");
        int savePkru = pkru ? protocol.IndexOf("save-pkru") : entry;
        int syncXfd = xfd ? protocol.IndexOf("sync-xfd") : entry;
        return (ref vcpu) =>
        {
            int location = vcpu.Location;
            if (pkru && location >= entry && location <= savePkru && PkruExchange.IsNeeded(vcpu, test))
            {
                vcpu.SavedPkru = PkruValue.Initial;
            }

            if (xfd && location >= entry && location <= syncXfd)
            {
                vcpu.XfdArmed = false;
            }
        };
    }

    private void WriteUserSpace(ProtocolBuilder protocol)
    {
        protocol.At("user")
            .Step("ioctl(KVM_RUN)", "The VMM's thread enters the kernel.", static (ref c) =>
            {
                c.Cpu.World = World.HostKernel;
                return true;
            })
            .Loop("the VMM reads its memory", "User code runs under the PKRU register as it is.", static (ref c) =>
            {
                c.HostReadsUserMemory();
                return true;
            });
        KvmUserRequests.Write(protocol, ReportsPkruBit);
        protocol
            .Then("load-vcpu", "vcpu->arch.host_pkru = read_pkru()", "kvm_arch_vcpu_load() remembers what the thread runs with.",
                static (ref c) =>
            {
                c.Vcpu.HostPkru = c.Cpu.Pkru;
                return true;
            })
            .Then("load-fpu", "kvm_load_guest_fpu()",
                "The VMM's FPU state is saved and the guest's loaded, IA32_XFD with it, PKRU without.", static (ref c) =>
            {
                c.HostSavesFpu();
                LoadGuestImage(ref c);
                return true;
            });
    }

    private static void LoadGuestImage(ref StepContext c)
    {
        c.Cpu.XfdArmed = c.Vcpu.XfdArmed;
        c.Vcpu.NeedsFpuLoad = false;
        c.Vcpu.ImageHasPkru = false;
    }

    private void WriteEntry(ProtocolBuilder protocol)
    {
        protocol.GuestOwnsFpu = true;
        protocol
            .Then("enter", "preempt_disable(); local_irq_disable()",
                "vcpu_enter_guest() closes the processor to preemption and interrupts.", static (ref c) =>
            {
                c.Cpu.PreemptionOff = true;
                c.Cpu.InterruptsOn = false;
                return true;
            })
            .Then("fpu-return", "if (TIF_NEED_FPU_LOAD) switch_fpu_return()",
                "Whoever used the FPU since, the guest's image is loaded again.", static (ref c) =>
            {
                if (c.Vcpu.NeedsFpuLoad)
                {
                    c.HostSavesFpu();
                    LoadGuestImage(ref c);
                }

                return true;
            });
        if (HasXfd)
        {
            XfdExchange.WriteGuest(protocol);
        }

        if (Xcr == XcrPlace.InsideRun)
        {
            WriteClgi(protocol);
        }

        XcrExchange.WriteGuest(protocol);
        if (Xcr == XcrPlace.AroundRun)
        {
            WriteClgi(protocol);
        }

        PkruExchange.WriteGuest(protocol);
        if (Xcr == XcrPlace.AroundFastpath)
        {
            WriteClgi(protocol);
        }
    }

    private void WriteClgi(ProtocolBuilder protocol)
    {
        if (!IsVmx)
        {
            protocol.Then("clgi", "clgi()", "svm_vcpu_run(): interrupts, NMIs and SMIs are held from here to STGI (APM Vol. 2, 15.17).",
                static (ref c) =>
            {
                c.Cpu.Gif = false;
                return true;
            });
        }
    }

    private void WriteStgi(ProtocolBuilder protocol)
    {
        if (!IsVmx)
        {
            protocol.Then("stgi", "stgi()", "What was held is delivered now.", static (ref c) =>
            {
                c.Cpu.Gif = true;
                return true;
            });
        }
    }

    private void WriteGuest(ProtocolBuilder protocol)
    {
        protocol.Then(
            "vm-entry",
            IsVmx ? "VMRESUME" : "VMRUN",
            IsVmx ? "Neither VMCS nor VM entry touches PKRU or XCR0." : "Neither VMCB nor VMRUN touches PKRU or XCR0; VMRUN sets GIF.",
            static (ref c) =>
            {
                c.Cpu.World = World.Guest;
                c.Cpu.Gif = true;
                return true;
            });
        protocol.At("guest").StepTo("exited", "VM exit",
            "An external interrupt, or an intercepted instruction; the handler finds out which.", (ref c) =>
        {
            LeaveGuest(ref c, ExitReason.Ordinary);
            return true;
        });
        new GuestActions(Test != PkruTest.Never, HasXfd, !InterceptsCr4, !InterceptsXsetbv).Write(protocol, "exited", LeaveGuest);
        if (IsVmx)
        {
            protocol.Then("nmi-exit", "vmx_do_nmi_irqoff()",
                "The exit consumed the NMI, so KVM calls the handler; perf knows a guest was hit and walks no host user stack.",
                static (ref c) =>
            {
                c.Vcpu.ExitReason = ExitReason.Ordinary;
                c.Cpu.NmiBlocked = false;
                return true;
            });
        }
    }

    /// <summary>
    /// What the processor does at a VM exit: on SVM GIF becomes 0 (APM Vol. 2, 15.6); VMX masks nothing but a further NMI after one.
    /// </summary>
    private void LeaveGuest(ref StepContext context, ExitReason reason)
    {
        context.Cpu.World = World.HostKernel;
        context.Vcpu.ExitReason = reason;
        if (!IsVmx)
        {
            context.Cpu.Gif = false;
        }
        else if (reason == ExitReason.Nmi)
        {
            context.Cpu.NmiBlocked = true;
        }
    }

    private void WriteExit(ProtocolBuilder protocol)
    {
        protocol.Label("exited");
        if (Xcr == XcrPlace.AroundFastpath)
        {
            // svm_vcpu_run() has its own CLGI and STGI, so on SVM the loop passes through a moment with GIF=1.
            WriteStgi(protocol);
            protocol.At("after-run").StepTo(
                IsVmx ? "vm-entry" : "clgi",
                "EXIT_FASTPATH_REENTER_GUEST",
                "An exit that the fast path handles goes back without a switch.",
                static (ref c) => c.Vcpu.ExitReason == ExitReason.Ordinary);
            protocol.Step("leave the fast path", "Everything else goes on to the switch back.", static (ref c) => true);
            PkruExchange.WriteHost(protocol);
            XcrExchange.WriteHost(protocol);
            WriteMachineCheck(protocol);
        }
        else
        {
            PkruExchange.WriteHost(protocol);
            if (Xcr == XcrPlace.AroundRun)
            {
                WriteStgi(protocol);
                WriteMachineCheck(protocol);
                XcrExchange.WriteHost(protocol);
            }
            else
            {
                XcrExchange.WriteHost(protocol);
                WriteStgi(protocol);
                WriteMachineCheck(protocol);
            }
        }

        if (HasXfd)
        {
            XfdExchange.WriteHost(protocol);
        }

        protocol.Then("irq-on", "local_irq_enable(); preempt_enable()",
            "The processor is open again: everything of the guest must be saved by now.", static (ref c) =>
        {
            c.Cpu.InterruptsOn = true;
            c.Cpu.PreemptionOff = false;
            c.Vcpu.ExitReason = ExitReason.Ordinary;
            if (c.Vcpu.SavedPkru != c.Vcpu.ExpectedPkru)
            {
                c.Violates(Invariant.GuestPkruLost);
            }

            c.HostMayReadXfdErr();
            return true;
        });
    }

    private void WriteMachineCheck(ProtocolBuilder protocol)
    {
        if (MachineCheckSchedules)
        {
            protocol.Then("machine-check", "if (#MC) kvm_machine_check()",
                "do_machine_check() may sleep, and the scheduler saves and loads FPU state.", static (ref c) =>
            {
                if (c.Vcpu.ExitReason == ExitReason.MachineCheck)
                {
                    c.HostSavesFpu();
                }

                return true;
            });
        }
    }

    private void WriteExitHandling(ProtocolBuilder protocol)
    {
        protocol.At("handle")
            .Loop("kvm_read_guest()", "Emulation reads guest memory, which is user memory of the VMM.", static (ref c) =>
            {
                c.HostReadsUserMemory();
                return true;
            })
            .StepTo("enter", "nothing to emulate", "The exit was an interrupt, or an instruction that changes nothing here.",
                static (ref c) => true);
        new EmulatedInstructions(Test != PkruTest.Never, HasXss, HasXfd, InterceptsCr4, InterceptsXsetbv).Write(protocol, "enter");
        protocol.Step("KVM_EXIT_*, or a signal is pending", "KVM_RUN returns to the VMM.", static (ref c) => true);
        protocol.At("put-fpu").StepTo("user", "kvm_put_guest_fpu()",
            "The guest's FPU state is saved into its image and the VMM's loaded; the host's PKRU is in the register.", static (ref c) =>
        {
            if (!c.Vcpu.NeedsFpuLoad)
            {
                c.SaveGuestImage();
            }

            c.HostSavesFpu();
            c.Vcpu.NeedsFpuLoad = false;
            c.Cpu.XfdArmed = true;
            c.Cpu.World = World.HostUser;
            return true;
        });
    }

    private ImmutableArray<EventRule> WriteEvents(ProtocolBuilder protocol)
    {
        int exited = protocol.IndexOf("exited");
        int nmiExit = protocol.IndexOf("nmi-exit");
        return
        [
            HostKernel.NmiInHost(NmiSavesPkru),
            IsVmx ? HostKernel.ExitByNmiOnVmx(nmiExit, LeaveGuest) : HostKernel.ExitByNmiOnSvm(exited, LeaveGuest),
            HostKernel.InterruptUsesFpu,
            HostKernel.Preempt,
            .. HostKernel.MachineCheck(exited, LeaveGuest),
            .. IsVmx ? [] : HostKernel.SmiOnSvm(exited, LeaveGuest),
        ];
    }
}
