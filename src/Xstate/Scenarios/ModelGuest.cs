using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Guests;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Processor;

namespace Xstate.Scenarios;

/// <summary>
/// A guest of a modelled hypervisor while its code runs: what the hypervisor intercepts, and how the processor gets the guest's state and
/// gives it back.
/// </summary>
internal abstract class ModelGuest : IGuestPlatform
{
    // KVM_EXIT_FAIL_ENTRY.
    private const int FailEntry = 9;

    /// <summary>What the hypervisor last said about a refusal.</summary>
    protected Refusal? Why { get; set; }

    /// <summary>The guest's memory.</summary>
    protected abstract byte[] Memory { get; }

    public abstract CpuidRegisters Cpuid(uint leaf, uint subleaf);

    public abstract Intercepted Xsetbv(ulong rax, ulong rcx, ulong rdx);

    public abstract Intercepted Rdmsr(uint index, out ulong value);

    public abstract Intercepted Wrmsr(uint index, ulong value);

    public abstract Intercepted WriteCr4(ulong value, ulong cr3);

    public GuestReply Run(GuestProgram program, IGuestDecoder? decoder)
    {
        if (decoder is null)
        {
            return GuestReply.NotHere("guest code without a decoder of instructions");
        }

        KernelReply start = Start(program.Mode);
        if (!start.IsSuccess)
        {
            return new GuestReply(start.Errno, start.Why);
        }

        ProcessorState entered = Enter();
        if ((ulong)entered.Cr0 >> 32 != 0)
        {
            // VMX and SVM both refuse such guest state.
            Leave(Cr3);
            return GuestReply.NotHere(GuestReply.UnnamedExit(FailEntry));
        }

        GuestMachine machine = new(entered, this, decoder, Memory, program, Cr3);
        GuestStop stop = machine.Run();
        for (int exits = 1; stop.Kind == GuestStopKind.PortAccess && exits < program.MaxExits; exits++)
        {
            // An exit to user space: the state goes back and comes in again.
            int cpl = Cpu.Cpl;
            bool is64 = Cpu.Is64BitMode;
            Leave(machine.Cr3);
            Enter();
            (Cpu.Cpl, Cpu.Is64BitMode) = (cpl, is64);
            stop = machine.Resume();
        }

        Leave(machine.Cr3);
        return Reply(stop, machine);
    }

    /// <summary>CR3 with which code starts.</summary>
    protected abstract ulong Cr3 { get; }

    /// <summary>The processor that executes the guest.</summary>
    protected abstract ProcessorState Cpu { get; }

    /// <summary>Gives the virtual CPU the control registers that code starts with.</summary>
    protected abstract KernelReply Start(GuestMode mode);

    /// <summary>Loads the guest's state.</summary>
    protected abstract ProcessorState Enter();

    /// <summary>Takes the guest's state back.</summary>
    protected abstract void Leave(ulong cr3);

    /// <summary>What the hypervisor does with a virtual CPU after a triple fault.</summary>
    protected virtual void ShutDown()
    {
    }

    private GuestReply Reply(GuestStop stop, GuestMachine machine)
    {
        if (stop.Kind == GuestStopKind.TripleFault)
        {
            ShutDown();
        }

        GuestReply ran = new(Errno.None, Why) { Memory = Memory, Instructions = machine.Executed };
        GuestExit Ended(string exit) => new(exit) { Fault = machine.CaughtFault, Registers = machine.Registers };
        return stop.Kind switch
        {
            GuestStopKind.Halted => ran with { Exit = Ended(GuestExit.Halted) },
            GuestStopKind.PortAccess => ran with { Exit = Ended(GuestExit.PortAccess) with { Fault = null } },
            GuestStopKind.TripleFault => ran with { Exit = new GuestExit(GuestExit.TripleFault) },
            GuestStopKind.EntryFailed => new GuestReply(Errno.EINVAL, Why) { Instructions = machine.Executed },
            GuestStopKind.TooLong => new GuestReply(Errno.EINTR) { Instructions = machine.Executed },
            _ => GuestReply.NotHere($"{stop.What} in guest code") with { Instructions = machine.Executed },
        };
    }
}

/// <summary>A guest of the modelled KVM.</summary>
internal sealed class KvmGuest(KvmModelMachine machine, KvmModelVcpu vcpu) : ModelGuest
{
    private ProcessorState? _cpu;

    protected override byte[] Memory => machine.GuestMemory(GuestLayout.MemoryLength);

    protected override ProcessorState Cpu => _cpu!;

    protected override ulong Cr3
    {
        get
        {
            vcpu.GetControlRegisters(out KvmControlRegisters registers);
            return registers.Cr3;
        }
    }

    // Leaf 1 ECX and the sizes of leaf 0xD follow the guest's registers, which KVM learns of by intercepting what changes them.
    public override CpuidRegisters Cpuid(uint leaf, uint subleaf)
    {
        Intercept();
        return vcpu.CpuidInstruction(leaf, subleaf);
    }

    public override Intercepted Xsetbv(ulong rax, ulong rcx, ulong rdx)
    {
        ulong value = (uint)rax | rdx << 32;
        if (Cpu.Profile.Has(ProcessorQuirks.XsetbvNotIntercepted))
        {
            return new Intercepted(Instructions.Xsetbv(Cpu, (uint)rcx, value));
        }

        // The same function as KVM_SET_XCRS behind the intercept, with 32-bit halves.
        KernelReply reply = new(Errno.EINVAL);
        if (Cpu.Cpl == 0 && (uint)rcx == 0)
        {
            vcpu.ExchangePkruAround(() => reply = vcpu.SetXcrs(1, 0, [new XcrEntry(0, value)]));
        }

        Why = reply.Why;
        Intercept();
        return new Intercepted(reply.IsSuccess ? Fault.None : Fault.GeneralProtection);
    }

    public override Intercepted Rdmsr(uint index, out ulong value)
    {
        value = index == KvmModelVcpu.MsrEfer ? Cpu.Efer : 0;
        Intercept();
        return index == KvmModelVcpu.MsrEfer ? new Intercepted(Fault.None) : Of(vcpu.AccessMsrAsGuest(index, ref value, write: false));
    }

    public override Intercepted Wrmsr(uint index, ulong value)
    {
        Intercept();
        if (index == KvmModelVcpu.MsrEfer)
        {
            ulong? becomes = vcpu.WriteEferAsGuest(value, Cpu);
            Cpu.Efer = becomes ?? Cpu.Efer;
            return new Intercepted(becomes is null ? Fault.GeneralProtection : Fault.None);
        }

        bool? taken = vcpu.AccessMsrAsGuest(index, ref value, write: true);
        if (taken == true)
        {
            vcpu.LoadSupervisorState(Cpu);
        }

        return Of(taken);
    }

    public override Intercepted WriteCr4(ulong value, ulong cr3)
    {
        if (ControlRegisterRules.BreaksMode((Cr4)value, Cpu, cr3))
        {
            return new Intercepted(Fault.GeneralProtection);
        }

        KernelReply reply = default;
        vcpu.ExchangePkruAround(() => reply = vcpu.SetCr4AsGuest(value));
        Why = reply.Why;
        Cpu.Cr4 = reply.IsSuccess ? (Cr4)value : Cpu.Cr4;
        return new Intercepted(reply.IsSuccess ? Fault.None : Fault.GeneralProtection);
    }

    protected override KernelReply Start(GuestMode mode)
    {
        vcpu.GetControlRegisters(out KvmControlRegisters now);
        (ulong cr0, ulong cr3, ulong cr4, ulong efer) = GuestLayout.StartRegisters(mode, now.Cr0, now.Cr3, now.Cr4, now.Efer);
        return vcpu.SetControlRegisters(new KvmControlRegisters(cr0, cr3, cr4, efer), has64BitCode: mode == GuestMode.Long);
    }

    protected override ProcessorState Enter() => _cpu = vcpu.EnterGuest();

    protected override void Leave(ulong cr3) => vcpu.LeaveGuest(cr3);

    // The VMCB is undefined after a shutdown, so KVM on SVM gives the virtual CPU an INIT (shutdown_interception).
    protected override void ShutDown()
    {
        if (machine.Host.UsesSvm)
        {
            vcpu.Init();
        }
    }

    private static Intercepted Of(bool? taken) => taken is { } known
        ? new Intercepted(known ? Fault.None : Fault.GeneralProtection) : new Intercepted(Fault.None, IsModelled: false);

    // Every exit and entry loads the XCR0 that KVM knows.
    private void Intercept() => Cpu.Xcr0 = vcpu.Xcr0;
}

/// <summary>
/// A guest of OpenBSD's modelled vmm. Its registers stay in one processor, as nothing else of that hypervisor reads them.
/// </summary>
internal sealed class VmmGuest : ModelGuest
{
    private readonly VmmVcpu _vcpu;
    private GuestMode _mode;

    public VmmGuest(VmmVcpu vcpu)
    {
        _vcpu = vcpu;
        Cpu = new ProcessorState(ProcessorProfile.FromCpuid(vcpu.Host.Cpuid));
    }

    protected override byte[] Memory { get; } = new byte[GuestLayout.MemoryLength];

    protected override ProcessorState Cpu { get; }

    protected override ulong Cr3 => GuestLayout.PageTables;

    public override CpuidRegisters Cpuid(uint leaf, uint subleaf) => _vcpu.Cpuid(leaf, subleaf);

    public override Intercepted Xsetbv(ulong rax, ulong rcx, ulong rdx)
    {
        VmmXsetbv outcome = _vcpu.Xsetbv(rax, rcx, rdx, Cpu.Cpl);
        Why = outcome.Why is { } why ? new Refusal(Rules.BrokenXcr0, null, why) : null;
        if (!outcome.Fault.IsFault && !outcome.EntryFails)
        {
            Cpu.Xcr0 = _vcpu.Xcr0;
        }

        return new Intercepted(outcome.Fault, outcome.EntryFails);
    }

    public override Intercepted Rdmsr(uint index, out ulong value)
    {
        value = 0;
        return new Intercepted(Fault.None, IsModelled: false);
    }

    public override Intercepted Wrmsr(uint index, ulong value) => new(Fault.None, IsModelled: false);

    public override Intercepted WriteCr4(ulong value, ulong cr3)
    {
        Fault fault = Instructions.MovToCr4(Cpu, (Cr4)value);
        _vcpu.Cr4 = Cpu.Cr4;
        return new Intercepted(fault);
    }

    protected override KernelReply Start(GuestMode mode)
    {
        _mode = mode;
        return KernelReply.Success;
    }

    protected override ProcessorState Enter()
    {
        (ulong cr0, _, ulong cr4, ulong efer) = GuestLayout.StartRegisters(_mode, (ulong)Cpu.Cr0, Cr3, (ulong)_vcpu.Cr4, Cpu.Efer);
        (Cpu.Cr0, Cpu.Cr4, Cpu.Efer) = ((Cr0)cr0, (Cr4)cr4, efer);
        _vcpu.Cr4 = Cpu.Cr4;
        return Cpu;
    }

    protected override void Leave(ulong cr3)
    {
    }
}
