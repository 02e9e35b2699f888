namespace Xstate.WorldSwitch;

/// <summary>
/// What one step sees and changes: the thread and the processor it is on. Steps of one thread touch no other thread and no other processor;
/// that is the whole memory model, and it is enough, because every register concerned is private to a logical processor and every saved
/// value is private to a vCPU.
/// </summary>
internal struct StepContext
{
#pragma warning disable CA1051 // Steps assign single registers (c.Cpu.Pkru = …), which a property that returns a copy would not allow.
    /// <summary>The vCPU and its thread.</summary>
    public VcpuState Vcpu;

    /// <summary>The processor that the thread is on.</summary>
    public CpuState Cpu;
#pragma warning restore CA1051

    private readonly SwitchProtocol _protocol;

    internal StepContext(SwitchProtocol protocol, VcpuState vcpu, CpuState cpu)
    {
        _protocol = protocol;
        Vcpu = vcpu;
        Cpu = cpu;
    }

    /// <summary>The instructions of the processor that the protocol runs on.</summary>
    public readonly SwitchInstructions Instructions => _protocol.Instructions;

    /// <summary>The PKRU that the VMM's thread has in user space, and with which all access to its memory must be checked.</summary>
    public readonly PkruValue ThreadPkru => _protocol.ThreadPkru;

    /// <summary>Whether the FPU registers, or the image they were saved to, are the guest's at this place.</summary>
    public readonly bool GuestOwnsFpu => _protocol.Locations[Vcpu.Location].GuestOwnsFpu;

    internal InvariantSet Violated { get; private set; }

    /// <summary>Records that the step violates an invariant.</summary>
    public void Violates(Invariant invariant) => Violated = Violated.With(invariant);

    /// <summary>The host kernel, or a handler on top of it, reads memory of the current thread.</summary>
    public void HostReadsUserMemory()
    {
        if (Cpu.Pkru != ThreadPkru)
        {
            Violates(Invariant.HostUserAccessUnderGuestPkru);
        }
    }

    /// <summary>The host executes XSAVES or XRSTORS for one of its threads.</summary>
    public void HostSavesFpu()
    {
        if (Cpu.Xcr0 != Xcr0Value.Host)
        {
            Violates(Invariant.HostXsaveUnderGuestXcr0);
        }

        if (Cpu.Xss != XssValue.Host)
        {
            Violates(Invariant.HostXsavesUnderGuestXss);
        }
    }

    /// <summary>Host code runs that may take #NM and would look at IA32_XFD_ERR.</summary>
    public void HostMayReadXfdErr()
    {
        if (Cpu.XfdErr)
        {
            Violates(Invariant.XfdErrLeaks);
        }
    }

    /// <summary>The host executes WRPKRU. Its CR4.PKE is 1 whenever host code runs.</summary>
    public void HostWrpkru(PkruValue value)
    {
        PkruValue pkru = Cpu.Pkru;
        bool inUse = Cpu.PkruInUse;
        Instructions.Wrpkru(cr4Pke: true, value, ref pkru, ref inUse);
        Cpu.Pkru = pkru;
        Cpu.PkruInUse = inUse;
    }

    /// <summary>
    /// The host saves the registers into the guest's image; bit 9 of its XSTATE_BV is what the register says now, whoever the PKRU in it
    /// belongs to.
    /// </summary>
    public void SaveGuestImage()
    {
        HostSavesFpu();
        Instructions.Xsave(cr4Osxsave: true, Cpu.Xcr0, Cpu.Pkru, Cpu.PkruInUse, out bool xstateBv9, out _);
        Vcpu.ImageHasPkru = xstateBv9;
    }
}
