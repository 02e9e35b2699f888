using System.Collections.Immutable;

namespace Xstate.WorldSwitch;

/// <summary>Which virtualization extension a protocol uses.</summary>
public enum Virtualization
{
    /// <summary>Intel VMX: NMIs stay open between VM exit and VM entry.</summary>
    Vmx,

    /// <summary>AMD SVM: #VMEXIT leaves GIF at 0 until STGI.</summary>
    Svm,
}

/// <summary>Where KVM exchanges XCR0, IA32_XSS and PKRU.</summary>
internal enum XcrPlace
{
    /// <summary>XCR0 in vcpu_enter_guest(), given back only after the vendor's run function with its #MC handling; PKRU next to the entry (before 1811d979c716).</summary>
    AroundRun,

    /// <summary>All in the vendor's run function, next to the entry (5.1 to 6.18, commits 1811d979c716 and 37486135d3a7).</summary>
    InsideRun,

    /// <summary>All in vcpu_enter_guest(), around the loop of the fast path (6.19, commits 75c69c82f211 and 7649412af3ea).</summary>
    AroundFastpath,
}

/// <summary>Where the per-CPU flag against user access in NMI handlers is written.</summary>
internal enum UserAccessFlag
{
    /// <summary>There is no such flag.</summary>
    None,

    /// <summary>Before the guest's PKRU is loaded, and after the host's is back.</summary>
    AroundSwitch,

    /// <summary>After the guest's PKRU is loaded, and before the host's is back: the wrong way round.</summary>
    InsideSwitch,
}

/// <summary>When KVM exchanges PKRU at all.</summary>
internal enum PkruTest
{
    /// <summary>Never: guests of this kernel have no protection keys.</summary>
    Never,

    /// <summary>If the guest's CR4.PKE is 1 (4.6 to 5.7).</summary>
    Cr4Pke,

    /// <summary>If CR4.PKE or XCR0[9] is 1 (5.8, commit 37486135d3a7).</summary>
    Cr4PkeOrXcr0,

    /// <summary>The same, XCR0[9] tested first and every test a step of its own (5.19, commit 945024d764a1; case 2's patch).</summary>
    Xcr0OrCr4PkeStepwise,

    /// <summary>Whatever the guest has enabled.</summary>
    Always,
}

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
    /// From the entry on, the saved PKRU is dead if the exit will overwrite it, which the guest cannot prevent as long as CR4 and XCR0 are intercepted; the copy of
    /// IA32_XFD is dead until it is read back.
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
            if (pkru && location >= entry && location <= savePkru && IsNeeded(vcpu, test))
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
            .Then("load-vcpu", "vcpu->arch.host_pkru = read_pkru()", "kvm_arch_vcpu_load() remembers what the thread runs with.", static (ref c) =>
            {
                c.Vcpu.HostPkru = c.Cpu.Pkru;
                return true;
            })
            .Then("load-fpu", "kvm_load_guest_fpu()", "The VMM's FPU state is saved and the guest's loaded, IA32_XFD with it, PKRU without.", static (ref c) =>
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
            .Then("enter", "preempt_disable(); local_irq_disable()", "vcpu_enter_guest() closes the processor to preemption and interrupts.", static (ref c) =>
            {
                c.Cpu.PreemptionOff = true;
                c.Cpu.InterruptsOn = false;
                return true;
            })
            .Then("fpu-return", "if (TIF_NEED_FPU_LOAD) switch_fpu_return()", "Whoever used the FPU since, the guest's image is loaded again.", static (ref c) =>
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
            protocol.Then("load-xfd-err", "if (guest_fpu.xfd_err) wrmsrl(XFD_ERR, guest)", "The guest finds its own IA32_XFD_ERR.", static (ref c) =>
            {
                c.Cpu.XfdErr |= c.Vcpu.SavedXfdErr;
                return true;
            });
        }

        if (Xcr == XcrPlace.InsideRun)
        {
            WriteClgi(protocol);
        }

        WriteGuestXcrs(protocol);
        if (Xcr == XcrPlace.AroundRun)
        {
            WriteClgi(protocol);
        }

        WriteGuestPkru(protocol);
        if (Xcr == XcrPlace.AroundFastpath)
        {
            WriteClgi(protocol);
        }
    }

    private void WriteClgi(ProtocolBuilder protocol)
    {
        if (!IsVmx)
        {
            protocol.Then("clgi", "clgi()", "svm_vcpu_run(): interrupts, NMIs and SMIs are held from here to STGI (APM Vol. 2, 15.17).", static (ref c) =>
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

    private void WriteGuestXcrs(ProtocolBuilder protocol)
    {
        protocol.Then("guest-xcr0", "if (CR4.OSXSAVE && xcr0 != host_xcr0) xsetbv(guest)", "The guest's XCR0, unless it cannot execute XSAVE anyway.", static (ref c) =>
        {
            if (c.Vcpu.Cr4Osxsave)
            {
                c.Cpu.Xcr0 = c.Vcpu.Xcr0;
            }

            return true;
        });
        if (HasXss)
        {
            protocol.Then("guest-xss", "if (CR4.OSXSAVE && xss != host_xss) wrmsrl(XSS, guest)", "The guest's IA32_XSS under the same condition.", static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave)
                {
                    c.Cpu.Xss = c.Vcpu.Xss;
                }

                return true;
            });
        }
    }

    private void WriteHostXcrs(ProtocolBuilder protocol)
    {
        if (RestoresXcr0)
        {
            protocol.Then("host-xcr0", "if (CR4.OSXSAVE && xcr0 != host_xcr0) xsetbv(host)", "The same test as on entry, on KVM's copy of the guest's XCR0.", static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave && c.Vcpu.Xcr0 != Xcr0Value.Host)
                {
                    c.Cpu.Xcr0 = Xcr0Value.Host;
                }

                return true;
            });
        }

        if (HasXss && RestoresXss)
        {
            protocol.Then("host-xss", "if (CR4.OSXSAVE && xss != host_xss) wrmsrl(XSS, host)", "The same test as on entry.", static (ref c) =>
            {
                if (c.Vcpu.Cr4Osxsave)
                {
                    c.Cpu.Xss = XssValue.Host;
                }

                return true;
            });
        }
    }

    private void WriteGuestPkru(ProtocolBuilder protocol)
    {
        if (Flag == UserAccessFlag.AroundSwitch)
        {
            WriteFlag(protocol, "flag-on", forbidden: true);
        }

        if (Test == PkruTest.Xcr0OrCr4PkeStepwise)
        {
            protocol
                .Then("test-value", "test = pkru != host_pkru", "The test of two variables goes first.", static (ref c) =>
                {
                    c.Vcpu.TestOutcome = c.Vcpu.SavedPkru != c.Vcpu.HostPkru;
                    return true;
                })
                .Then("test-guest", "test &&= xcr0[9] || CR4.PKE", "Then what the guest has enabled, XCR0 before CR4.", static (ref c) =>
                {
                    c.Vcpu.TestOutcome &= IsNeeded(c.Vcpu, PkruTest.Xcr0OrCr4PkeStepwise);
                    return true;
                })
                .Then("guest-pkru", "if (test) wrpkru(guest)", "The guest's PKRU is live from here.", static (ref c) =>
                {
                    if (c.Vcpu.TestOutcome && c.Cpu.Pkru != c.Vcpu.SavedPkru)
                    {
                        c.HostWrpkru(c.Vcpu.SavedPkru);
                    }

                    c.Vcpu.TestOutcome = false;
                    return true;
                });
        }
        else if (Test != PkruTest.Never)
        {
            PkruTest test = Test;
            protocol.Then("guest-pkru", $"if ({Conjunct} && pkru != host_pkru) wrpkru(guest)", "The guest's PKRU is live from here.", (ref c) =>
            {
                // write_pkru() reads the register before it writes: an equal value costs no WRPKRU and leaves XINUSE alone.
                if (IsNeeded(c.Vcpu, test) && c.Vcpu.SavedPkru != c.Vcpu.HostPkru && c.Cpu.Pkru != c.Vcpu.SavedPkru)
                {
                    c.HostWrpkru(c.Vcpu.SavedPkru);
                }

                return true;
            });
        }

        if (Flag == UserAccessFlag.InsideSwitch)
        {
            WriteFlag(protocol, "flag-on", forbidden: true);
        }
    }

    private void WriteHostPkru(ProtocolBuilder protocol)
    {
        if (Flag == UserAccessFlag.InsideSwitch)
        {
            WriteFlag(protocol, "flag-off", forbidden: false);
        }

        if (Test != PkruTest.Never)
        {
            PkruTest test = Test;
            protocol.Then("save-pkru", $"if ({TestText}) pkru = rdpkru()", "What the guest has written since it was entered.", (ref c) =>
            {
                if (IsNeeded(c.Vcpu, test))
                {
                    c.Vcpu.SavedPkru = c.Cpu.Pkru;
                }

                return true;
            });
            if (RestoresPkru)
            {
                bool hidden = !SkipsHiddenRdpkru;
                string how = hidden ? "write_pkru(host_pkru)" : "__write_pkru(host_pkru, skip_rdpkru)";
                protocol.Then("host-pkru", $"if ({Conjunct} && pkru != host_pkru) {how}", "The host's PKRU is back.", (ref c) =>
                {
                    if (IsNeeded(c.Vcpu, test) && c.Vcpu.SavedPkru != c.Vcpu.HostPkru && !(hidden && c.Cpu.Pkru == c.Vcpu.HostPkru))
                    {
                        c.HostWrpkru(c.Vcpu.HostPkru);
                    }

                    return true;
                });
            }
        }

        if (Flag == UserAccessFlag.AroundSwitch)
        {
            WriteFlag(protocol, "flag-off", forbidden: false);
        }
    }

    private static bool IsNeeded(VcpuState vcpu, PkruTest test) => test switch
    {
        PkruTest.Cr4Pke => vcpu.Cr4Pke,
        PkruTest.Always => true,
        _ => vcpu.Cr4Pke || vcpu.Xcr0 == Xcr0Value.Host,
    };

    private string TestText => Test switch
    {
        PkruTest.Cr4Pke => "CR4.PKE",
        PkruTest.Always => "true",
        PkruTest.Xcr0OrCr4PkeStepwise => "xcr0[9] || CR4.PKE",
        _ => "CR4.PKE || xcr0[9]",
    };

    private string Conjunct => Test is PkruTest.Cr4Pke or PkruTest.Always ? TestText : $"({TestText})";

    private static void WriteFlag(ProtocolBuilder protocol, string location, bool forbidden) => protocol.Then(
        location,
        forbidden ? "this_cpu_write(guest_pkru_loaded, true)" : "this_cpu_write(guest_pkru_loaded, false)",
        "nmi_uaccess_okay() is false while this flag is set.",
        (ref c) =>
        {
            c.Cpu.UserAccessForbidden = forbidden;
            return true;
        });

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
        protocol.At("guest").StepTo("exited", "VM exit", "An external interrupt, or an intercepted instruction; the handler finds out which.", (ref c) =>
        {
            LeaveGuest(ref c, ExitReason.Ordinary);
            return true;
        });
        new GuestActions(Test != PkruTest.Never, HasXfd, !InterceptsCr4, !InterceptsXsetbv).Write(protocol, "exited", LeaveGuest);
        if (IsVmx)
        {
            protocol.Then("nmi-exit", "vmx_do_nmi_irqoff()", "The exit consumed the NMI, so KVM calls the handler; perf knows a guest was hit and walks no host user stack.", static (ref c) =>
            {
                c.Vcpu.ExitReason = ExitReason.Ordinary;
                c.Cpu.NmiBlocked = false;
                return true;
            });
        }
    }

    /// <summary>What the processor does at a VM exit: on SVM GIF becomes 0 (APM Vol. 2, 15.6); VMX masks nothing but a further NMI after one.</summary>
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
            WriteHostPkru(protocol);
            WriteHostXcrs(protocol);
            WriteMachineCheck(protocol);
        }
        else
        {
            WriteHostPkru(protocol);
            if (Xcr == XcrPlace.AroundRun)
            {
                WriteStgi(protocol);
                WriteMachineCheck(protocol);
                WriteHostXcrs(protocol);
            }
            else
            {
                WriteHostXcrs(protocol);
                WriteStgi(protocol);
                WriteMachineCheck(protocol);
            }
        }

        if (HasXfd)
        {
            WriteXfdAfterExit(protocol);
        }

        protocol.Then("irq-on", "local_irq_enable(); preempt_enable()", "The processor is open again: everything of the guest must be saved by now.", static (ref c) =>
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
            protocol.Then("machine-check", "if (#MC) kvm_machine_check()", "do_machine_check() may sleep, and the scheduler saves and loads FPU state.", static (ref c) =>
            {
                if (c.Vcpu.ExitReason == ExitReason.MachineCheck)
                {
                    c.HostSavesFpu();
                }

                return true;
            });
        }
    }

    private void WriteXfdAfterExit(ProtocolBuilder protocol)
    {
        bool clears = ClearsXfdErr;
        protocol
            .Then("sync-xfd", "fpu_sync_guest_vmexit_xfd_state()", "The guest writes IA32_XFD without an exit, so the software copy is read back.", static (ref c) =>
            {
                c.Vcpu.XfdArmed = c.Cpu.XfdArmed;
                return true;
            })
            .Then("save-xfd-err", "if (#NM) rdmsrl(XFD_ERR)", "handle_nm_fault_irqoff() keeps what the processor reported.", static (ref c) =>
            {
                if (c.Vcpu.ExitReason == ExitReason.DeviceNotAvailable)
                {
                    c.Vcpu.SavedXfdErr = c.Cpu.XfdErr;
                }

                return true;
            })
            .Then("clear-xfd-err", clears ? "if (guest_fpu.xfd_err) wrmsrl(XFD_ERR, 0)" : "(IA32_XFD_ERR is left as it is)", "No #NM of the host may see the guest's value.", (ref c) =>
            {
                if (clears && c.Vcpu.SavedXfdErr)
                {
                    c.Cpu.XfdErr = false;
                }

                return true;
            });
    }

    private void WriteExitHandling(ProtocolBuilder protocol)
    {
        protocol.At("handle")
            .Loop("kvm_read_guest()", "Emulation reads guest memory, which is user memory of the VMM.", static (ref c) =>
            {
                c.HostReadsUserMemory();
                return true;
            })
            .StepTo("enter", "nothing to emulate", "The exit was an interrupt, or an instruction that changes nothing here.", static (ref c) => true);
        new EmulatedInstructions(Test != PkruTest.Never, HasXss, HasXfd, InterceptsCr4, InterceptsXsetbv).Write(protocol, "enter");
        protocol.Step("KVM_EXIT_*, or a signal is pending", "KVM_RUN returns to the VMM.", static (ref c) => true);
        protocol.At("put-fpu").StepTo("user", "kvm_put_guest_fpu()", "The guest's FPU state is saved into its image and the VMM's loaded; the host's PKRU is in the register.", static (ref c) =>
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
