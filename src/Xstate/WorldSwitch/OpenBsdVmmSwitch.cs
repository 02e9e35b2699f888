namespace Xstate.WorldSwitch;

/// <summary>OpenBSD's vmm: everything is exchanged unconditionally in the run loop, with interrupts off (VMX) or GIF at 0 (SVM).</summary>
internal sealed record OpenBsdVmmSwitch(Virtualization Virtualization)
{
    private bool IsVmx => Virtualization == Virtualization.Vmx;

    /// <summary>The protocol.</summary>
    public SwitchProtocol Build(string id, ProtocolKind kind, string summary)
    {
        ProtocolBuilder protocol = new();
        protocol.At("user")
            .Step("ioctl(VMM_IOC_RUN)", "vmd's thread enters the kernel.", static (ref c) =>
            {
                c.Cpu.World = World.HostKernel;
                return true;
            })
            .Loop("vmd reads its memory", "User code runs under the PKRU register as it is.", static (ref c) =>
            {
                c.HostReadsUserMemory();
                return true;
            })
            .Loop("signal frame", "The kernel saves the thread's FPU state to its stack: XSAVE, and user memory is written.",
                static (ref c) =>
            {
                c.HostSavesFpu();
                c.HostReadsUserMemory();
                return true;
            }, HostEvents.Signal);
        WriteEntry(protocol);
        protocol.At("guest").StepTo("exited", "VM exit", "An external interrupt, or an intercepted instruction.", (ref c) =>
        {
            LeaveGuest(ref c, ExitReason.Ordinary);
            return true;
        });
        new GuestActions(HasPkru: true, HasXfd: false, WritesCr4: true, WritesXcr0: false).Write(protocol, "exited", LeaveGuest);
        WriteExit(protocol);
        int exited = protocol.IndexOf("exited");
        return new SwitchProtocol(
            id,
            kind,
            summary,
            IsVmx ? SwitchInstructions.Intel : SwitchInstructions.Amd,
            PkruValue.HostThread,
            protocol.Build(),
            [
                HostKernel.NmiInHost(savesPkru: false),
                IsVmx ? HostKernel.ExitByNmiOnVmx(exited, LeaveGuest) : HostKernel.ExitByNmiOnSvm(exited, LeaveGuest),
                HostKernel.InterruptUsesFpu,
                HostKernel.Preempt,
                .. HostKernel.MachineCheck(exited, LeaveGuest),
                .. IsVmx ? [] : HostKernel.SmiOnSvm(exited, LeaveGuest),
            ],
            HostKernel.Resume,
            DeadValues(protocol));
    }

    /// <summary>The exit overwrites vc_pkru and vg_xcr0 whatever they are.</summary>
    private static ForgetDeadValues DeadValues(ProtocolBuilder protocol)
    {
        int entry = protocol.IndexOf("vm-entry");
        int savePkru = protocol.IndexOf("exited");
        int saveXcr0 = protocol.IndexOf("host-xcr0");
        return (ref vcpu) =>
        {
            int location = vcpu.Location;
            if (location >= entry && location <= savePkru)
            {
                vcpu.SavedPkru = PkruValue.Initial;
            }

            if (location >= entry && location <= saveXcr0)
            {
                vcpu.Xcr0 = Xcr0Value.WithoutPkru;
            }
        };
    }

    private void WriteEntry(ProtocolBuilder protocol)
    {
        if (IsVmx)
        {
            protocol.Then("enter", "intr_disable()", "vcpu_run_vmx() closes the processor to interrupts, not to NMIs.", static (ref c) =>
            {
                c.Cpu.InterruptsOn = false;
                return true;
            });
        }
        else
        {
            protocol.Then("enter", "clgi()", "vcpu_run_svm(): interrupts, NMIs and SMIs are held from here to STGI (APM Vol. 2, 15.17).",
                static (ref c) =>
            {
                c.Cpu.Gif = false;
                return true;
            });
        }

        protocol
            .Then("load-fpu", "vmm_fpurestore(): save vmd's FPU state, xrstor(guest)",
                "Under the host's XCR0, which contains the guest's.", static (ref c) =>
            {
                c.HostSavesFpu();
                c.Vcpu.NeedsFpuLoad = false;
                return true;
            })
            .Then("guest-xcr0", "xsetbv(guest)", "Always.", static (ref c) =>
            {
                c.Cpu.Xcr0 = c.Vcpu.Xcr0;
                return true;
            })
            .Then("guest-pkru", "if (pkru_enabled) wrpkru(vc_pkru)", "Whatever the guest has enabled.", static (ref c) =>
            {
                c.HostWrpkru(c.Vcpu.SavedPkru);
                return true;
            })
            .Then("vm-entry", IsVmx ? "vmx_enter_guest()" : "svm_enter_guest()", "VM entry touches neither PKRU nor XCR0.",
                static (ref c) =>
            {
                c.Cpu.World = World.Guest;
                c.Cpu.Gif = true;
                return true;
            });
    }

    private void WriteExit(ProtocolBuilder protocol)
    {
        protocol
            .Then("exited", "vc_pkru = rdpkru()", "What the guest has written since it was entered.", static (ref c) =>
            {
                // An NMI that caused the exit is over once the exit's handler has executed IRET; nothing in it looks at user memory.
                c.Cpu.NmiBlocked = false;
                c.Vcpu.ExitReason = ExitReason.Ordinary;
                c.Vcpu.SavedPkru = c.Cpu.Pkru;
                return true;
            })
            .Then("host-pkru", "wrpkru(PGK_VALUE)", "The value that every thread of OpenBSD has.", static (ref c) =>
            {
                c.HostWrpkru(PkruValue.HostThread);
                return true;
            })
            .Then("host-xcr0", "vmm_fpusave(): vg_xcr0 = xgetbv(); xsetbv(host)", "The guest's value is read back from the register.",
                static (ref c) =>
            {
                c.Vcpu.Xcr0 = c.Cpu.Xcr0;
                c.Cpu.Xcr0 = Xcr0Value.Host;
                return true;
            })
            .Then("save-fpu", "fpusavereset(guest)", "Under the host's XCR0.", static (ref c) =>
            {
                c.HostSavesFpu();
                return true;
            })
            .Then("irq-on", IsVmx ? "intr_restore()" : "stgi()",
                "The processor is open again: everything of the guest must be saved by now.", static (ref c) =>
            {
                c.Cpu.InterruptsOn = true;
                c.Cpu.Gif = true;
                if (c.Vcpu.SavedPkru != c.Vcpu.ExpectedPkru)
                {
                    c.Violates(Invariant.GuestPkruLost);
                }

                return true;
            });
        protocol.At("handle").StepTo("enter", "nothing to emulate",
            "The exit was an interrupt, or an instruction that changes nothing here.", static (ref c) => true);
        new EmulatedInstructions(HasPkru: true, HasXss: false, HasXfd: false, InterceptsCr4: false, InterceptsXsetbv: true)
            .Write(protocol, "enter");
        protocol.StepTo("user", "copyout(); VMM_IOC_RUN returns", "vmd helps; the exit record is copied to its memory.", static (ref c) =>
        {
            c.HostReadsUserMemory();
            c.Cpu.World = World.HostUser;
            return true;
        });
    }

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
}
