using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <content>KVM_RUN and what happens inside it: the state goes into a processor, the guest executes, an INIT arrives.</content>
internal sealed partial class KvmModelVcpu
{
    private const uint FirstHypervisorLeaf = 0x4000_0000;

    /// <inheritdoc/>
    public KernelReply RunImmediateExit()
    {
        if (_machine.Protection != GuestProtection.None)
        {
            return KernelReply.Success;
        }

        StateComponentSet disabled = State.Xfeatures & State.Xfd;
        MoveThroughProcessor();
        return disabled.IsEmpty
            ? KernelReply.Success
            : new KernelReply(Errno.None, new Refusal(Rules.TileDataUnderXfd, KernelDifference.KvmSetXfdNm,
                $"the kernel's XRSTOR of {disabled.Describe()} raises #NM in the host: a warning or a panic"));
    }

    /// <summary>
    /// INIT, as KVM performs it inside KVM_RUN: the components of <see cref="ResetTable"/> that this kernel's KVM supports and knows to
    /// clear, and the control registers. XCR0, PKRU, IA32_XFD and all other state stay.
    /// </summary>
    public void Init()
    {
        MoveThroughProcessor();
        foreach (StateComponent component in InitializedByInit())
        {
            // The kernel clears the bytes and not XSTATE_BV; whether the zeros count as in use is for the next save to say.
            State.Component(component).Clear();
            if (component is StateComponent.CetU or StateComponent.CetS)
            {
                _msrs.ClearCet();
            }
        }

        // CD and NW survive INIT (SDM Vol. 3A, note to the table of reset values).
        const Cr0 Kept = Cr0.CacheDisable | Cr0.NotWriteThrough;
        _control = new KvmControlRegisters((ulong)(Cr0.ExtensionType | ((Cr0)_control.Cr0 & Kept)), 0, 0, 0);
        _has64BitCode = false;
        _msrs.Xss = Behavior.Has(KernelDifference.KvmInitXssZero) ? StateComponentSet.Empty : Xss;
        MoveThroughProcessor();
    }

    /// <summary>The components that INIT clears on this host under this kernel.</summary>
    public StateComponentSet InitializedByInit()
    {
        StateComponentSet known = ResetTable.InitializedByInit(_host.KvmXcr0 | _host.KvmXss);
        return Behavior.Has(KernelDifference.KvmInitCet)
            ? known : known.Except(StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS));
    }

    /// <summary>
    /// The guest's state in a processor, as KVM_RUN loads it before the guest's first instruction: XCR0, IA32_XSS, PKRU and the control
    /// registers are the guest's from here on.
    /// </summary>
    internal ProcessorState EnterGuest()
    {
        // With immediate_exit the guest is never entered, and KVM does not count that as having run.
        _hasRun = true;
        _processor ??= new HostProcessor(_host);
        _processor.Load(State);
        LoadPkru();
        ProcessorState cpu = _processor.Cpu;
        cpu.Xcr0 = Xcr0;
        cpu.Cr0 = (Cr0)_control.Cr0;
        cpu.Cr4 = (Cr4)_control.Cr4;
        cpu.Efer = _control.Efer;
        cpu.VmxNonRoot = _host.Record.Flavour == KvmFlavour.Intel;
        cpu.Cpl = 0;
        LoadSupervisorState(cpu);
        return cpu;
    }

    /// <summary>Changes what decides whose PKRU the guest finds in the register, as an exit and an entry around it do.</summary>
    internal void ExchangePkruAround(Action change)
    {
        ArgumentNullException.ThrowIfNull(change);
        SavePkru();
        change();
        LoadPkru();
    }

    // KVM exchanges PKRU only for a guest that it knows to be able to see it; another finds the value of the thread.
    private bool KvmExchangesPkru => Xcr0.Contains(StateComponent.Pkru) || ((Cr4)_control.Cr4 & Cr4.ProtectionKeys) != Cr4.None;

    // Guest PKRU is not part of the buffer: the register holds the thread's own value while the buffer moves, and its being in use is what
    // bit 9 says.
    private uint PkruWhileSaved => Behavior.Has(KernelDifference.KvmGetPkruXinuse) ? _machine.HostThreadPkru : _xsave.Pkru;

    private void LoadPkru() => _processor!.Pkru = KvmExchangesPkru ? _xsave.Pkru : _machine.HostThreadPkru;

    private void SavePkru() => _xsave.Pkru = KvmExchangesPkru ? _processor!.Pkru : _xsave.Pkru;

    /// <summary>Gives a processor that executes the guest the registers that only MSRs reach, as they are now.</summary>
    internal void LoadSupervisorState(ProcessorState cpu)
    {
        cpu.Xss = Xss & cpu.Profile.SupervisorComponents;
        cpu.Xfd = State.Xfd;
        cpu.XfdErr = new StateComponentSet(_msrs.XfdErr);
        _msrs.LoadInto(cpu);
    }

    /// <summary>The end of KVM_RUN: the state goes back into the buffer, PKRU beside it, and the processor is the host's again.</summary>
    /// <param name="cr3">CR3 of the guest.</param>
    internal void LeaveGuest(ulong cr3)
    {
        ProcessorState cpu = _processor!.Cpu;
        SavePkru();
        _control = new KvmControlRegisters((ulong)cpu.Cr0, cr3, (ulong)cpu.Cr4, cpu.Efer);
        State.Xfd = cpu.Xfd;

        // KVM intercepts #NM while the guest may use IA32_XFD and keeps what the processor wrote down (ec5be88ab29f, 5.17).
        _msrs.XfdErr = cpu.XfdErr.Bits;
        cpu.Cpl = 0;
        _msrs.TakeFrom(cpu);
        _processor.BecomeHost();
        _processor.Pkru = PkruWhileSaved;
        _processor.Save(State);
    }

    /// <summary>
    /// CPUID of the guest. A basic leaf above the highest reads as the highest where the guest's vendor is not AMD or Hygon, as on Intel's
    /// processors (<c>get_out_of_range_cpuid_entry</c>).
    /// </summary>
    internal CpuidRegisters CpuidInstruction(uint leaf, uint subleaf)
    {
        CpuidTable table = Cpuid;
        if (table.TryRead(leaf, subleaf, out CpuidRegisters found))
        {
            return found;
        }

        uint highest = table.Read(0).Eax;
        bool redirects = leaf > highest && leaf < FirstHypervisorLeaf && !ProcessorModel.From(table).IsAmdLike;
        return redirects ? table.Read(highest, subleaf) : default;
    }

    /// <summary>
    /// RDMSR or WRMSR of the guest, which reaches KVM with the guest's rights: unlike user space it needs the feature in its own CPUID.
    /// </summary>
    /// <returns>Whether the guest goes on without #GP; null for MSRs that are not modelled.</returns>
    internal bool? AccessMsrAsGuest(uint index, ref ulong value, bool write)
    {
        if (!GuestMsrs.IsModelled(index))
        {
            return null;
        }

        if (_processor is { } processor)
        {
            // The registers may have changed since the guest was entered: every #NM that IA32_XFD causes writes one, and XRSTORS others.
            _msrs.XfdErr = processor.Cpu.XfdErr.Bits;
            _msrs.TakeFrom(processor.Cpu);
        }

        return _msrs.AccessAsGuest(index, ref value, write);
    }

    private void MoveThroughProcessor()
    {
        _processor ??= new HostProcessor(_host);
        _processor.Load(State);
        _processor.Pkru = PkruWhileSaved;
        _processor.Save(State);
    }
}
