using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Processor;
using static Xstate.Guests.GuestArithmetic;

namespace Xstate.Guests;

/// <content>The instructions of extended state and of the registers that rule it.</content>
internal sealed partial class GuestMachine
{
    // More than any area has: what lies behind it is not looked at.
    private const int AreaReach = 1 << 14;

    private ulong EdxEax => (_general[Rdx] << 32) | (uint)_general[Rax];

    private bool TryState(GuestInstruction instruction)
    {
        switch (instruction.Operation)
        {
            case GuestOperation.Hlt:
                return Privileged(() => _stop = new GuestStop(GuestStopKind.Halted));
            case GuestOperation.Cpuid:
                CpuidRegisters answer = Intercept().Cpuid((uint)_general[Rax], (uint)_general[Rcx]);
                (_general[Rax], _general[Rbx], _general[Rcx], _general[Rdx]) = (answer.Eax, answer.Ebx, answer.Ecx, answer.Edx);
                return true;
            case GuestOperation.Xgetbv:
                return Answer(Instructions.Xgetbv(_cpu, (uint)_general[Rcx], out ulong xcr), xcr);
            case GuestOperation.Rdpkru:
                return Answer(KeysFault() is { IsFault: true } missing ? missing : Instructions.Rdpkru(_cpu, (uint)_general[Rcx], out _),
                    _cpu.Registers.Pkru.Value);
            case GuestOperation.Wrpkru:
                Raise(KeysFault() is { IsFault: true } absent ? absent : Instructions.Wrpkru(_cpu, (uint)_general[Rcx], EdxEax));
                return true;
            case GuestOperation.Xsetbv:
                return Xsetbv();
            case GuestOperation.Rdmsr:
                return Rdmsr();
            case GuestOperation.Wrmsr:
                return Wrmsr();
            case GuestOperation.Mov when instruction.Operands.Any(operand => operand.Register.Class == GuestRegisterClass.Control):
                return Control(instruction.Operands);
            case GuestOperation.Clts:
                return Privileged(() => _cpu.Cr0 &= ~Cr0.TaskSwitched);
            case GuestOperation.Lidt:
                return Lidt(instruction.Operands[0]);
            case GuestOperation.Invlpg:
                return Privileged(static () => { });
            case GuestOperation.Ldmxcsr or GuestOperation.Vldmxcsr:
                return LoadMxcsr(instruction);
            case GuestOperation.Stmxcsr or GuestOperation.Vstmxcsr:
                if (!RaiseIfVectorsOff(instruction))
                {
                    Store(instruction.Operands[0], _cpu.Registers.Mxcsr);
                }

                return true;
            default:
                return TryArea(instruction);
        }
    }

    // The processor's own room does not ask whether PKU exists: CR4.PKE cannot be set without it.
    private Fault KeysFault() => _cpu.Profile.HasProtectionKeys ? Fault.None : Fault.InvalidOpcode;

    private bool TryArea(GuestInstruction instruction)
    {
        if (instruction.Operation is < GuestOperation.Xsave or > GuestOperation.Fxrstor64 || instruction.Operands[0].HasOtherSegment)
        {
            return false;
        }

        _budget -= CostOfArea;

        // In the order of the instructions; the forms with REX.W follow those without.
        int kind = instruction.Operation - GuestOperation.Xsave;
        XsaveOperand form = kind % 2 != 0 ? XsaveOperand.Rex64 : XsaveOperand.Legacy;
        InstructionEncoding encoding = new(StateInstruction.Xsave + (kind / 2), form, ModRmOffset: 0);
        bool restores = encoding.Instruction is StateInstruction.Xrstor or StateInstruction.Xrstors or StateInstruction.Fxrstor;
        ulong address = AddressOf(instruction.Operands[0]);
        Fault beyond = _memory.Accessible(address, AreaReach, restores ? AccessKind.Read : AccessKind.Write, out Span<byte> area);
        ulong requested = EdxEax;
        Fault fault = Instructions.Execute(_cpu, encoding, area, address, ecx: 0, ref requested);

        // What the page tables say of the first byte that cannot be reached is more than the end of a span can tell.
        Raise(fault.Vector == FaultVector.PageFault && beyond.IsFault ? beyond : fault);
        return true;
    }

    private bool Answer(Fault fault, ulong value)
    {
        Raise(fault);
        if (!fault.IsFault)
        {
            (_general[Rax], _general[Rdx]) = ((uint)value, value >> 32);
        }

        return true;
    }

    private bool Privileged(Action action)
    {
        if (_cpu.Cpl != 0)
        {
            Raise(Fault.GeneralProtection);
        }
        else
        {
            action();
        }

        return true;
    }

    private bool Take(Intercepted outcome, string what)
    {
        if (!outcome.IsModelled)
        {
            _stop = new GuestStop(GuestStopKind.NotModelled, what);
        }
        else if (outcome.EntryFails)
        {
            _stop = new GuestStop(GuestStopKind.EntryFailed);
        }

        Raise(outcome.Fault);
        return true;
    }

    private bool Xsetbv()
    {
        if (!_cpu.Profile.HasXsave || (_cpu.Cr4 & Cr4.OsXsave) == Cr4.None)
        {
            // #UD, or what this processor asks for before. Behind it privilege is a matter of the hypervisor, which sees the instruction.
            Raise(Instructions.CheckXsetbv(_cpu));
            return true;
        }

        return Take(Intercept().Xsetbv(_general[Rax], _general[Rcx], _general[Rdx]), "this XSETBV");
    }

    private bool Rdmsr()
    {
        uint index = (uint)_general[Rcx];
        return Privileged(() =>
        {
            Intercepted outcome = Intercept().Rdmsr(index, out ulong value);
            Take(outcome, $"RDMSR of 0x{index:x}");
            if (outcome is { IsModelled: true, Fault.IsFault: false })
            {
                (_general[Rax], _general[Rdx]) = ((uint)value, value >> 32);
            }
        });
    }

    private bool Wrmsr()
    {
        uint index = (uint)_general[Rcx];
        return Privileged(() => Take(Intercept().Wrmsr(index, EdxEax), $"WRMSR of 0x{index:x}"));
    }

    private bool Control(ImmutableArray<GuestOperand> operands)
    {
        bool writes = operands[0].Register.Class == GuestRegisterClass.Control;
        int number = operands[writes ? 0 : 1].Register.Index;
        GuestRegister general = operands[writes ? 1 : 0].Register;
        ulong value = Read(general);
        return (writes, number) switch
        {
            (false, 0 or 2 or 3 or 4) =>
                Privileged(() => Write(general, number switch { 0 => (ulong)_cpu.Cr0, 2 => _cr2, 3 => _memory.Cr3, _ => (ulong)_cpu.Cr4 })),
            (true, 0) => Privileged(() => WriteCr0(value)),
            (true, 2) => Privileged(() => _cr2 = value),
            (true, 3) => Privileged(() => _memory.Cr3 = value),
            (true, 4) => Privileged(() => Take(Intercept().WriteCr4(value, _memory.Cr3), "this CR4")),
            _ => false,
        };
    }

    private void WriteCr0(ulong value)
    {
        Fault fault = Instructions.MovToCr0(_cpu, (Cr0)value, out bool changesMode);
        Raise(fault);
        if (!fault.IsFault && changesMode)
        {
            _stop = new GuestStop(GuestStopKind.NotModelled, "a change of mode by MOV to CR0");
        }
    }

    private bool Lidt(GuestOperand operand)
    {
        ulong address = AddressOf(operand);
        return Privileged(() =>
        {
            Fault fault = _memory.Read(address, sizeof(ushort), out ulong limit);
            fault = fault.IsFault ? fault : _memory.Read(address + sizeof(ushort), _mode == GuestMode.Real ? 4 : 8, out _interruptTable);
            Raise(fault);
            _interruptTableLimit = fault.IsFault ? _interruptTableLimit : (ushort)limit;
        });
    }

    private bool LoadMxcsr(GuestInstruction instruction)
    {
        if (!RaiseIfVectorsOff(instruction) && Load(instruction.Operands[0], out ulong value))
        {
            bool bad = (value & ~_cpu.Profile.MxcsrMask & Mask(4)) != 0;
            Raise(bad ? Fault.GeneralProtection : Fault.None);
            _cpu.Registers.Mxcsr = bad ? _cpu.Registers.Mxcsr : (uint)value;
        }

        return true;
    }
}
