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
        switch (instruction.Mnemonic)
        {
            case "hlt":
                return Privileged(() => _stop = new GuestStop(GuestStopKind.Halted));
            case "cpuid":
                CpuidRegisters answer = _platform.Cpuid((uint)_general[Rax], (uint)_general[Rcx]);
                (_general[Rax], _general[Rbx], _general[Rcx], _general[Rdx]) = (answer.Eax, answer.Ebx, answer.Ecx, answer.Edx);
                return true;
            case "xgetbv":
                return Answer(Instructions.Xgetbv(_cpu, (uint)_general[Rcx], out ulong xcr), xcr);
            case "rdpkru":
                return Answer(KeysFault() is { IsFault: true } missing ? missing : Instructions.Rdpkru(_cpu, (uint)_general[Rcx], out _), _cpu.Registers.Pkru.Value);
            case "wrpkru":
                Raise(KeysFault() is { IsFault: true } absent ? absent : Instructions.Wrpkru(_cpu, (uint)_general[Rcx], EdxEax));
                return true;
            case "xsetbv":
                return Xsetbv();
            case "rdmsr":
                return Rdmsr();
            case "wrmsr":
                return Wrmsr();
            case "mov" when instruction.Operands.Any(operand => operand.Register.Class == GuestRegisterClass.Control):
                return Control(instruction.Operands);
            case "clts":
                return Privileged(() => _cpu.Cr0 &= ~Cr0.TaskSwitched);
            case "lidt":
                return Lidt(instruction.Operands[0]);
            case "ldmxcsr":
                return LoadMxcsr(instruction.Operands[0]);
            case "stmxcsr":
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
        string mnemonic = instruction.Mnemonic;
        bool wide = mnemonic.EndsWith("64", StringComparison.Ordinal);
        string name = wide ? mnemonic[..^2] : mnemonic;
        XsaveOperand form = wide ? XsaveOperand.Rex64 : XsaveOperand.Legacy;
        bool restores = name is "xrstor" or "xrstors" or "fxrstor";
        if (!restores && name is not ("xsave" or "xsaveopt" or "xsavec" or "xsaves" or "fxsave"))
        {
            return false;
        }

        ulong address = AddressOf(instruction.Operands[0]);
        Fault beyond = _memory.Accessible(address, AreaReach, restores ? AccessKind.Read : AccessKind.Write, out Span<byte> area);
        Fault fault = name switch
        {
            "xsave" => Instructions.Xsave(_cpu, area, address, EdxEax, form),
            "xsaveopt" => Instructions.Xsaveopt(_cpu, area, address, EdxEax, form),
            "xsavec" => Instructions.Xsavec(_cpu, area, address, EdxEax, form),
            "xsaves" => Instructions.Xsaves(_cpu, area, address, EdxEax, form),
            "xrstor" => Instructions.Xrstor(_cpu, area, address, EdxEax, form),
            "xrstors" => Instructions.Xrstors(_cpu, area, address, EdxEax, form),
            "fxsave" => Instructions.Fxsave(_cpu, area, address, form),
            _ => Instructions.Fxrstor(_cpu, area, address, form),
        };

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
            Raise(Fault.InvalidOpcode);
            return true;
        }

        return Take(_platform.Xsetbv(_general[Rax], _general[Rcx], _general[Rdx]), "this XSETBV");
    }

    private bool Rdmsr()
    {
        uint index = (uint)_general[Rcx];
        return Privileged(() =>
        {
            Intercepted outcome = _platform.Rdmsr(index, out ulong value);
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
        return Privileged(() => Take(_platform.Wrmsr(index, EdxEax), $"WRMSR of 0x{index:x}"));
    }

    private bool Control(ImmutableArray<GuestOperand> operands)
    {
        const ulong ModeBits = (ulong)(Cr0.ProtectionEnable | Cr0.Paging);
        bool writes = operands[0].Register.Class == GuestRegisterClass.Control;
        int number = operands[writes ? 0 : 1].Register.Index;
        GuestRegister general = operands[writes ? 1 : 0].Register;
        ulong value = Read(general);
        return (writes, number) switch
        {
            (false, 0 or 2 or 3 or 4) => Privileged(() => Write(general, number switch { 0 => (ulong)_cpu.Cr0, 2 => _cr2, 3 => _memory.Cr3, _ => (ulong)_cpu.Cr4 })),
            (true, 0) when ((value ^ (ulong)_cpu.Cr0) & ModeBits) == 0 => Privileged(() => WriteCr0((Cr0)value)),
            (true, 2) => Privileged(() => _cr2 = value),
            (true, 3) => Privileged(() => _memory.Cr3 = value),
            (true, 4) => Privileged(() => Take(_platform.WriteCr4(value), "this CR4")),
            _ => false,
        };
    }

    private void WriteCr0(Cr0 value)
    {
        if ((value & Cr0.WriteProtect) == Cr0.None && (_cpu.Cr4 & Cr4.ControlFlowEnforcement) != Cr4.None)
        {
            // SDM Vol. 3A, 2.5: CR4.CET must be clear before CR0.WP can be cleared.
            Raise(Fault.GeneralProtection);
            return;
        }

        _cpu.Cr0 = value | Cr0.ExtensionType;
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

    private bool LoadMxcsr(GuestOperand operand)
    {
        if ((_cpu.Cr4 & Cr4.OsFxsr) == Cr4.None || (_cpu.Cr0 & Cr0.Emulation) != Cr0.None)
        {
            Raise(Fault.InvalidOpcode);
        }
        else if ((_cpu.Cr0 & Cr0.TaskSwitched) != Cr0.None)
        {
            Raise(Fault.DeviceNotAvailable);
        }
        else if (Load(operand, out ulong value))
        {
            if ((value & ~_cpu.Profile.MxcsrMask & Mask(4)) != 0)
            {
                Raise(Fault.GeneralProtection);
            }
            else
            {
                _cpu.Registers.Mxcsr = (uint)value;
            }
        }

        return true;
    }
}
