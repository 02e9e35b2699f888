namespace Xstate.WorldSwitch;

/// <summary>The exchange of PKRU around guest code, which neither VMX nor SVM does, and the flag that warns NMI handlers of it.</summary>
/// <param name="Test">When PKRU is exchanged.</param>
/// <param name="Flag">Where the flag against user access is written.</param>
/// <param name="RestoresPkru">The host's PKRU is loaded after an exit.</param>
/// <param name="SkipsHiddenRdpkru">On exit, the host's PKRU is written without the RDPKRU that __write_pkru() hides.</param>
internal sealed record PkruExchange(PkruTest Test, UserAccessFlag Flag, bool RestoresPkru, bool SkipsHiddenRdpkru)
{
    /// <summary>The exchange before VM entry.</summary>
    public void WriteGuest(ProtocolBuilder protocol)
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
            protocol.Then("guest-pkru", $"if ({Conjunct} && pkru != host_pkru) wrpkru(guest)", "The guest's PKRU is live from here.",
                (ref c) =>
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

    /// <summary>The exchange back after VM exit.</summary>
    public void WriteHost(ProtocolBuilder protocol)
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

    /// <summary>Whether the guest has enabled what makes KVM exchange PKRU.</summary>
    public static bool IsNeeded(VcpuState vcpu, PkruTest test) => test switch
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
}
