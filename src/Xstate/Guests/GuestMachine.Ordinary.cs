using System.Collections.Immutable;
using Xstate.Processor;
using static Xstate.Guests.GuestArithmetic;

namespace Xstate.Guests;

/// <content>Moves, integer arithmetic, jumps, the stack, ports.</content>
internal sealed partial class GuestMachine
{
    private const byte NoDevice = 0xFF;

    // True when the instruction is one of these, whatever became of it.
    private bool TryOrdinary(GuestInstruction instruction)
    {
        ImmutableArray<GuestOperand> operands = instruction.Operands;
        if (operands.Any(operand => operand.HasOtherSegment || (operand.Kind == GuestOperandKind.Register && !IsGeneral(operand.Register))))
        {
            return false;
        }

        switch (instruction.Mnemonic)
        {
            case "nop" or "pause":
                return true;
            case "mov" or "movabs":
                return Copy(operands, value => value);
            case "movzx":
                return Copy(operands, value => value);
            case "movsx" or "movsxd":
                return Copy(operands, value => SignExtend(value, operands[1].Size));
            case "lea":
                Write(operands[0].Register, AddressOf(operands[1]));
                return true;
            case "xchg":
                return Exchange(operands);
            case "add" or "adc" or "sub" or "sbb" or "cmp" or "and" or "or" or "xor" or "test":
                return Combine(instruction.Mnemonic, operands);
            case "inc" or "dec" or "neg" or "not":
                return Change(instruction.Mnemonic, operands[0]);
            case "shl" or "sal" or "shr" or "sar":
                return Done(Load(operands[0], out ulong shifted) && Load(operands[1], out ulong count)
                    && FinishShift(instruction.Mnemonic, operands[0], shifted, (int)(count & 0xFF)));
            case "push":
                return Done(Load(operands[0], out ulong pushed) && Push(pushed, operands[0].Size));
            case "pop":
                return Done(Pop(operands[0].Size, out ulong popped) && Store(operands[0], popped));
            case "stosb" or "stosw" or "stosd" or "stosq" or "movsb" or "movsw" or "movsd" or "movsq" or "lodsb" or "lodsw" or "lodsd" or "lodsq":
                return Strings(instruction);
            case "in" or "out":
                return Port(instruction.Mnemonic == "out", operands);
            default:
                return TryFlow(instruction, operands);
        }
    }

    // The instruction was one of these, whether or not a fault stopped it.
    private static bool Done(bool completed) => completed || true;

    private static bool IsGeneral(GuestRegister register) => register.Class is GuestRegisterClass.General or GuestRegisterClass.HighByte;

    private bool TryFlow(GuestInstruction instruction, ImmutableArray<GuestOperand> operands)
    {
        string mnemonic = instruction.Mnemonic;
        switch (mnemonic)
        {
            case "jmp":
                return Done(Load(operands[0], out ulong jumped) && Jump(jumped));
            case "call":
                return Done(Load(operands[0], out ulong target) && Push(_rip, PointerSize) && Jump(target));
            case "ret":
                return Return(operands);
            case "loop":
                int size = PointerSize;
                GuestRegister counter = new(GuestRegisterClass.General, Rcx, size);
                Write(counter, Read(counter) - 1);
                return Read(counter) == 0 || Jump(operands[0].Value);
            case "int":
                Interrupt((int)operands[0].Value);
                return true;
            case "int3":
                Interrupt(3);
                return true;
            case "ud2":
                Raise(Fault.InvalidOpcode);
                return true;
            case "cli" or "sti":
                _flags = mnemonic == "sti" ? _flags | InterruptFlag : _flags & ~InterruptFlag;
                return true;
            case "cld" or "std":
                _flags = mnemonic == "std" ? _flags | Direction : _flags & ~Direction;
                return true;
            case "clc" or "stc":
                _flags = mnemonic == "stc" ? _flags | Carry : _flags & ~Carry;
                return true;
            case ['j', .. string taken] when Condition(taken, _flags) is { } jumps:
                return !jumps || Jump(operands[0].Value);
            case ['s', 'e', 't', .. string set] when Condition(set, _flags) is { } isSet:
                return Done(Store(operands[0], isSet ? 1UL : 0));
            case ['c', 'm', 'o', 'v', .. string moved] when Condition(moved, _flags) is { } moves:
                return Done(Load(operands[1], out ulong value) && Store(operands[0], moves ? value : Read(operands[0].Register)));
            default:
                return false;
        }
    }

    private bool Jump(ulong target)
    {
        _rip = Pointer(target);
        return true;
    }

    private bool Return(ImmutableArray<GuestOperand> operands)
    {
        if (Pop(PointerSize, out ulong target))
        {
            _rip = target;
            SetStackPointer(Pointer(_general[StackPointer] + (operands.IsEmpty ? 0 : operands[0].Value)));
        }

        return true;
    }

    private bool Copy(ImmutableArray<GuestOperand> operands, Func<ulong, ulong> extend)
    {
        if (Load(operands[1], out ulong value))
        {
            Store(operands[0], extend(value));
        }

        return true;
    }

    private bool Exchange(ImmutableArray<GuestOperand> operands)
    {
        if (Load(operands[0], out ulong first) && Load(operands[1], out ulong second) && Store(operands[0], second))
        {
            Store(operands[1], first);
        }

        return true;
    }

    private bool Combine(string mnemonic, ImmutableArray<GuestOperand> operands)
    {
        if (!Load(operands[0], out ulong left) || !Load(operands[1], out ulong right))
        {
            return true;
        }

        int size = operands[0].Size;
        ulong flags = _flags;
        bool carry = (flags & Carry) != 0;
        ulong result = mnemonic switch
        {
            "add" => Add(left, right, false, size, ref flags),
            "adc" => Add(left, right, carry, size, ref flags),
            "sub" or "cmp" => Subtract(left, right, false, size, ref flags),
            "sbb" => Subtract(left, right, carry, size, ref flags),
            "and" or "test" => Logic(left & right, size, ref flags),
            "or" => Logic(left | right, size, ref flags),
            _ => Logic(left ^ right, size, ref flags),
        };
        if (mnemonic is "cmp" or "test" || Store(operands[0], result))
        {
            _flags = flags;
        }

        return true;
    }

    private bool Change(string mnemonic, GuestOperand operand)
    {
        if (!Load(operand, out ulong value))
        {
            return true;
        }

        ulong flags = _flags;
        ulong result = mnemonic switch
        {
            "inc" => Add(value, 1, false, operand.Size, ref flags),
            "dec" => Subtract(value, 1, false, operand.Size, ref flags),
            "neg" => Subtract(0, value, false, operand.Size, ref flags),
            _ => ~value,
        };

        // INC and DEC leave the carry.
        flags = mnemonic is "inc" or "dec" ? flags & ~Carry | _flags & Carry : flags;
        if (Store(operand, result))
        {
            _flags = flags;
        }

        return true;
    }

    private bool FinishShift(string mnemonic, GuestOperand operand, ulong value, int count)
    {
        ulong flags = _flags;
        if (Store(operand, Shift(mnemonic, value, count, operand.Size, ref flags)))
        {
            _flags = flags;
        }

        return true;
    }

    private bool Strings(GuestInstruction instruction)
    {
        GuestOperand to = instruction.Operands[0];
        GuestOperand from = instruction.Operands[1];
        int addressSize = Math.Max(to.AddressSize, from.AddressSize);
        GuestRegister counter = new(GuestRegisterClass.General, Rcx, addressSize);
        ulong step = (_flags & Direction) != 0 ? unchecked((ulong)-to.Size) : (ulong)to.Size;
        for (int done = 0; !instruction.IsRepeated || Read(counter) != 0; done++)
        {
            if (done > InstructionLimit)
            {
                _stop = new GuestStop(GuestStopKind.TooLong);
                break;
            }

            if (!Load(from, out ulong value) || !Store(to, value))
            {
                break;
            }

            foreach (GuestOperand operand in instruction.Operands.Where(operand => operand.Kind == GuestOperandKind.Memory))
            {
                Write(operand.Base, Read(operand.Base) + step);
            }

            if (!instruction.IsRepeated)
            {
                break;
            }

            Write(counter, Read(counter) - 1);
        }

        return true;
    }

    // No device answers: IN reads ones. The access is complete when the run ends with it.
    private bool Port(bool isOut, ImmutableArray<GuestOperand> operands)
    {
        if (!isOut)
        {
            Write(operands[0].Register, NoDevice * 0x0101_0101UL);
        }

        _stop = new GuestStop(GuestStopKind.PortAccess);
        return true;
    }
}
