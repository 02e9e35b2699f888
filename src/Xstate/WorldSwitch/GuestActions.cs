namespace Xstate.WorldSwitch;

/// <summary>Writes down how the guest is left: the processor's part of an exit.</summary>
internal delegate void LeaveGuest(ref StepContext context, ExitReason reason);

/// <summary>What a guest, curious or hostile, executes without an exit.</summary>
/// <param name="HasPkru">The guest has protection keys.</param>
/// <param name="HasXfd">The guest has AMX and writes IA32_XFD without an exit.</param>
/// <param name="WritesCr4">MOV CR4 is not intercepted.</param>
/// <param name="WritesXcr0">XSETBV is not intercepted.</param>
internal sealed record GuestActions(bool HasPkru, bool HasXfd, bool WritesCr4, bool WritesXcr0)
{
    /// <summary>Adds the actions to the location in the guest.</summary>
    /// <param name="protocol">The protocol being written.</param>
    /// <param name="exited">The location after an exit.</param>
    /// <param name="leave">What the processor does at an exit.</param>
    public void Write(ProtocolBuilder protocol, string exited, LeaveGuest leave)
    {
        if (HasPkru)
        {
            WritePkruAccess(protocol);
        }

        if (WritesCr4)
        {
            protocol
                .Loop("guest: MOV CR4 (PKE)", "Not intercepted: the guest flips CR4.PKE and KVM does not know.", static (ref c) =>
                {
                    c.Vcpu.Cr4Pke = !c.Vcpu.Cr4Pke;
                    return true;
                })
                .Loop("guest: MOV CR4 (OSXSAVE)", "Not intercepted: the guest flips CR4.OSXSAVE and KVM does not know.", static (ref c) =>
                {
                    c.Vcpu.Cr4Osxsave = !c.Vcpu.Cr4Osxsave;
                    return true;
                });
        }

        if (WritesXcr0)
        {
            protocol.Loop("guest: XSETBV", "Not intercepted: the register changes, the hypervisor's copy does not.", static (ref c) =>
            {
                Xcr0Value value = c.Cpu.Xcr0 == Xcr0Value.Host ? Xcr0Value.WithoutPkru : Xcr0Value.Host;
                if (!c.Instructions.Xsetbv(c.Vcpu.Cr4Osxsave, value))
                {
                    return false;
                }

                c.Cpu.Xcr0 = value;
                return true;
            });
        }

        if (HasXfd)
        {
            WriteXfdAccess(protocol, exited, leave);
        }
    }

    private static void WritePkruAccess(ProtocolBuilder protocol)
    {
        protocol
            .Loop("guest: RDPKRU", "With CR4.PKE the guest reads the register, and every access to its user pages is checked by it.",
                static (ref c) =>
            {
                if (!c.Instructions.Rdpkru(c.Vcpu.Cr4Pke, c.Cpu.Pkru, c.Cpu.PkruInUse, out PkruValue read))
                {
                    return false;
                }

                Observe(ref c, read);
                return true;
            })
            .Loop("guest: XSAVE", "With XCR0[9] the guest reads PKRU even if CR4.PKE is 0.", static (ref c) =>
            {
                if (!c.Instructions.Xsave(c.Vcpu.Cr4Osxsave, c.Cpu.Xcr0, c.Cpu.Pkru, c.Cpu.PkruInUse, out bool xstateBv9,
                    out PkruValue stored))
                {
                    return false;
                }

                Observe(ref c, stored);
                if (!xstateBv9 && c.Vcpu.ExpectedPkru != PkruValue.Initial)
                {
                    c.Violates(Invariant.XinuseInvalid);
                }

                return true;
            });
        foreach (PkruValue value in Enum.GetValues<PkruValue>())
        {
            protocol
                .Loop($"guest: WRPKRU {RegisterValues.Of(value)}", "Not intercepted by either vendor.", (ref c) =>
                {
                    PkruValue pkru = c.Cpu.Pkru;
                    bool inUse = c.Cpu.PkruInUse;
                    return c.Instructions.Wrpkru(c.Vcpu.Cr4Pke, value, ref pkru, ref inUse) && Write(ref c, pkru, inUse);
                })
                .Loop($"guest: XRSTOR {RegisterValues.Of(value)}",
                    "Not intercepted; reaches PKRU even if CR4.PKE is 0. The initial value comes from XSTATE_BV[9] = 0.", (ref c) =>
                {
                    PkruValue pkru = c.Cpu.Pkru;
                    bool inUse = c.Cpu.PkruInUse;
                    return c.Instructions.Xrstor(c.Vcpu.Cr4Osxsave, c.Cpu.Xcr0, value != PkruValue.Initial, value, ref pkru, ref inUse)
                        && Write(ref c, pkru, inUse);
                });
        }
    }

    private static void WriteXfdAccess(ProtocolBuilder protocol, string exited, LeaveGuest leave) => protocol
        .Loop("guest: WRMSR IA32_XFD", "Not intercepted after the guest's first write: it arms or disarms tile data.", static (ref c) =>
        {
            c.Cpu.XfdArmed = !c.Cpu.XfdArmed;
            return true;
        })
        .Loop("guest: RDMSR IA32_XFD_ERR", "Not intercepted.", static (ref c) =>
        {
            if (c.Cpu.XfdErr != c.Vcpu.ExpectedXfdErr)
            {
                c.Violates(Invariant.XfdErrLeaks);
            }

            return true;
        })
        .StepTo(exited, "guest: uses a tile, #NM", "The processor sets IA32_XFD_ERR, then the intercepted #NM exits.", (ref c) =>
        {
            if (!c.Instructions.TileUseTrapsByXfd(c.Vcpu.Cr4Osxsave, c.Cpu.Xcr0, c.Cpu.XfdArmed))
            {
                return false;
            }

            c.Cpu.XfdErr = true;
            c.Vcpu.ExpectedXfdErr = true;
            leave(ref c, ExitReason.DeviceNotAvailable);
            return true;
        });

    private static void Observe(ref StepContext context, PkruValue read)
    {
        if (read != context.Vcpu.ExpectedPkru)
        {
            context.Violates(Invariant.GuestObservesHostPkru);
        }
    }

    private static bool Write(ref StepContext context, PkruValue pkru, bool inUse)
    {
        context.Cpu.Pkru = pkru;
        context.Cpu.PkruInUse = inUse;
        context.Vcpu.ExpectedPkru = pkru;
        return true;
    }
}
