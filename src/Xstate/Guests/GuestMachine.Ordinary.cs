using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Processor;
using static Xstate.Guests.GuestArithmetic;

namespace Xstate.Guests;

/// <content>Moves, integer arithmetic, jumps, the stack, ports.</content>
internal sealed partial class GuestMachine
{
    private const byte NoDevice = 0xFF;
    private const int BasePointer = 5;
    private const ulong LowStatus = Carry | Parity | Adjust | Zero | Sign;
    private const ulong VirtualMode = 1 << 17;
    private const ulong IdentificationFlag = 1 << 21;
    private static readonly GuestRegister HighAccumulator = new(GuestRegisterClass.HighByte, Rax, 1);

    // True when the instruction is one of these, whatever became of it.
    private bool TryOrdinary(GuestInstruction instruction)
    {
        ImmutableArray<GuestOperand> operands = instruction.Operands;
        if (operands.Any(operand => operand.HasOtherSegment || (operand.Kind == GuestOperandKind.Register && !IsGeneral(operand.Register))))
        {
            return false;
        }

        switch (instruction.Operation)
        {
            case GuestOperation.Nop or GuestOperation.Pause:
                return true;
            case GuestOperation.Mov or GuestOperation.Movabs or GuestOperation.Movzx:
                return Copy(operands, value => value);
            case GuestOperation.Movsx or GuestOperation.Movsxd:
                return Copy(operands, value => SignExtend(value, operands[1].Size));
            case GuestOperation.Lea:
                Write(operands[0].Register, AddressOf(operands[1]));
                return true;
            case GuestOperation.Xchg or GuestOperation.Xadd:
                return Exchange(instruction);
            case >= GuestOperation.Add and <= GuestOperation.Test:
                return Combine(instruction.Operation, operands);
            case GuestOperation.Inc or GuestOperation.Dec or GuestOperation.Neg or GuestOperation.Not:
                return Change(instruction.Operation, operands[0]);
            case GuestOperation.Shl or GuestOperation.Sal or GuestOperation.Shr or GuestOperation.Sar:
                return Done(Load(operands[0], out ulong shifted) && Load(operands[1], out ulong count)
                    && FinishShift(instruction.Operation, operands[0], shifted, (int)(count & 0xFF)));
            case >= GuestOperation.Bt and <= GuestOperation.Btc:
                return TestBit(instruction.Operation, operands);
            case >= GuestOperation.Bswap and <= GuestOperation.Cqo:
                return Widen(instruction.Operation, operands);
            case >= GuestOperation.Stosb and <= GuestOperation.Lodsq when operands.Any(operand => operand.Kind == GuestOperandKind.Memory):
                return Strings(instruction);
            case GuestOperation.In or GuestOperation.Out:
                return Port(instruction.Operation == GuestOperation.Out, operands);
            default:
                return TryStack(instruction.Operation, operands) || TryFlow(instruction, operands) || TryFlags(instruction.Operation);
        }
    }

    private bool TryStack(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        switch (operation)
        {
            case GuestOperation.Push:
                return Done(Load(operands[0], out ulong pushed) && Push(pushed, operands[0].Size));
            case GuestOperation.Pop:
                return PopInto(operands[0]);
            case GuestOperation.Pushfq or GuestOperation.Pushf:
                // VM and RF are never stored.
                return Done(Push(_flags & ~(ResumeFlag | VirtualMode), operation == GuestOperation.Pushf ? 2 : 8));
            case GuestOperation.Popfq or GuestOperation.Popf:
                bool narrow = operation == GuestOperation.Popf;
                return Done(Pop(narrow ? 2 : 8, out ulong popped) && SetFlags(popped, narrow));
            case GuestOperation.Leave when PointerSize == 8:
                return Leave();
            default:
                return false;
        }
    }

    // POP computes the address of its operand with RSP as it is after the pop, and a fault leaves RSP as it was.
    private bool PopInto(GuestOperand operand)
    {
        ulong before = _general[StackPointer];
        if (Pop(operand.Size, out ulong value) && !Store(operand, value))
        {
            _general[StackPointer] = before;
        }

        return true;
    }

    private bool Leave()
    {
        Fault fault = OnStack(_memory.Read(_general[BasePointer], sizeof(ulong), out ulong frame));
        Raise(fault);
        if (!fault.IsFault)
        {
            _general[StackPointer] = _general[BasePointer] + sizeof(ulong);
            _general[BasePointer] = frame;
        }

        return true;
    }

    // IOPL is for CPL 0 to change, IF for those whom IOPL lets.
    private bool SetFlags(ulong value, bool lowHalf)
    {
        ulong changeable = Status | TrapFlag | Direction | NestedTask | AlignmentFlag | IdentificationFlag
            | (_cpu.Cpl == 0 ? AllPortsAllowed : 0) | (_cpu.Cpl <= (int)(_flags >> 12 & 3) ? InterruptFlag : 0);
        changeable &= lowHalf ? 0xFFFF : ulong.MaxValue;
        _flags = _flags & ~changeable | value & changeable;
        return true;
    }

    private bool TryFlags(GuestOperation operation)
    {
        switch (operation)
        {
            case GuestOperation.Cli or GuestOperation.Sti:
                if (_cpu.Cpl > (int)(_flags >> 12 & 3))
                {
                    Raise(Fault.GeneralProtection);
                    return true;
                }

                _flags = operation == GuestOperation.Sti ? _flags | InterruptFlag : _flags & ~InterruptFlag;
                return true;
            case GuestOperation.Cld or GuestOperation.Std:
                _flags = operation == GuestOperation.Std ? _flags | Direction : _flags & ~Direction;
                return true;
            case GuestOperation.Clc or GuestOperation.Stc:
                _flags = operation == GuestOperation.Stc ? _flags | Carry : _flags & ~Carry;
                return true;
            case GuestOperation.Cmc:
                _flags ^= Carry;
                return true;
            case GuestOperation.Lahf:
                Write(HighAccumulator, _flags & LowStatus | FlagsAlwaysSet);
                return true;
            case GuestOperation.Sahf:
                _flags = _flags & ~LowStatus | Read(HighAccumulator) & LowStatus;
                return true;
            case GuestOperation.Clac or GuestOperation.Stac:
                Raise(_cpu.Cpl == 0 && _cpu.Profile.Cpuid.Has(CpuidFeatures.Smap) ? Fault.None : Fault.InvalidOpcode);
                _flags = _vector >= 0 ? _flags : operation == GuestOperation.Stac ? _flags | AlignmentFlag : _flags & ~AlignmentFlag;
                return true;
            default:
                return false;
        }
    }

    // The instruction was one of these, whether or not a fault stopped it.
    private static bool Done(bool completed) => completed || true;

    private static bool IsGeneral(GuestRegister register) => register.Class is GuestRegisterClass.General or GuestRegisterClass.HighByte;

    private bool TryFlow(GuestInstruction instruction, ImmutableArray<GuestOperand> operands)
    {
        switch (instruction.Operation)
        {
            case GuestOperation.Jmp:
                return Done(Load(operands[0], out ulong jumped) && Jump(jumped));
            case GuestOperation.Call:
                return Done(Load(operands[0], out ulong target) && Push(_rip, PointerSize) && Jump(target));
            case GuestOperation.Ret:
                return Return(operands);
            case GuestOperation.Loop or GuestOperation.Loope or GuestOperation.Loopne:
                return Loop(instruction.Operation, operands);
            case GuestOperation.Jcxz or GuestOperation.Jecxz or GuestOperation.Jrcxz:
                int width = instruction.Operation switch { GuestOperation.Jcxz => 2, GuestOperation.Jecxz => 4, _ => 8 };
                return (_general[Rcx] & Mask(width)) != 0 || Jump(operands[0].Value);
            case GuestOperation.Int:
                Interrupt((int)operands[0].Value);
                return true;
            case GuestOperation.Int3:
                Interrupt(3);
                return true;
            case GuestOperation.Ud2:
                Raise(Fault.InvalidOpcode);
                return true;
            case GuestOperation.Jcc:
                return !Holds(instruction.Condition, _flags) || Jump(operands[0].Value);
            case GuestOperation.Setcc:
                return Done(Store(operands[0], Holds(instruction.Condition, _flags) ? 1UL : 0));
            case GuestOperation.Cmovcc:
                return Done(Load(operands[1], out ulong value)
                    && Store(operands[0], Holds(instruction.Condition, _flags) ? value : Read(operands[0].Register)));
            default:
                return false;
        }
    }

    private bool Loop(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        // The counter has the size of addresses: the operand that the decoder shows, or that of the mode.
        GuestRegister counter = new(GuestRegisterClass.General, Rcx, PointerSize);
        Write(counter, Read(counter) - 1);
        bool goesOn = operation == GuestOperation.Loop || (_flags & Zero) != 0 == (operation == GuestOperation.Loope);
        return Read(counter) == 0 || !goesOn || Jump(operands[0].Value);
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

    // XADD adds to what XCHG leaves behind.
    private bool Exchange(GuestInstruction instruction)
    {
        ImmutableArray<GuestOperand> operands = instruction.Operands;
        ulong flags = _flags;
        if (Load(operands[0], out ulong first) && Load(operands[1], out ulong second))
        {
            bool adds = instruction.Operation == GuestOperation.Xadd;
            ulong result = adds ? Add(first, second, false, operands[0].Size, ref flags) : second;

            // The register of XADD is written first, so that a sum wins where both are one register.
            bool stored = operands[0].Kind == GuestOperandKind.Memory && Store(operands[0], result);
            if (operands[0].Kind == GuestOperandKind.Register || stored)
            {
                Store(operands[1], first);
                _ = stored || Store(operands[0], result);
                _flags = flags;
            }
        }

        return true;
    }

    private bool Combine(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        if (!Load(operands[0], out ulong left) || !Load(operands[1], out ulong right))
        {
            return true;
        }

        int size = operands[0].Size;
        ulong flags = _flags;
        bool carry = (flags & Carry) != 0;
        ulong result = operation switch
        {
            GuestOperation.Add => Add(left, right, false, size, ref flags),
            GuestOperation.Adc => Add(left, right, carry, size, ref flags),
            GuestOperation.Sub or GuestOperation.Cmp => Subtract(left, right, false, size, ref flags),
            GuestOperation.Sbb => Subtract(left, right, carry, size, ref flags),
            GuestOperation.And or GuestOperation.Test => Logic(left & right, size, ref flags),
            GuestOperation.Or => Logic(left | right, size, ref flags),
            _ => Logic(left ^ right, size, ref flags),
        };
        if (operation is GuestOperation.Cmp or GuestOperation.Test || Store(operands[0], result))
        {
            _flags = flags;
        }

        return true;
    }

    private bool Change(GuestOperation operation, GuestOperand operand)
    {
        if (!Load(operand, out ulong value))
        {
            return true;
        }

        ulong flags = _flags;
        ulong result = operation switch
        {
            GuestOperation.Inc => Add(value, 1, false, operand.Size, ref flags),
            GuestOperation.Dec => Subtract(value, 1, false, operand.Size, ref flags),
            GuestOperation.Neg => Subtract(0, value, false, operand.Size, ref flags),
            _ => ~value,
        };

        // INC and DEC leave the carry.
        flags = operation is GuestOperation.Inc or GuestOperation.Dec ? flags & ~Carry | _flags & Carry : flags;
        if (Store(operand, result))
        {
            _flags = flags;
        }

        return true;
    }

    private bool FinishShift(GuestOperation operation, GuestOperand operand, ulong value, int count)
    {
        ulong flags = _flags;
        if (Store(operand, Shift(operation, value, count, operand.Size, ref flags)))
        {
            _flags = flags;
        }

        return true;
    }

    // A register as bit number reaches memory far from its operand; a constant, and a register's bit in a register, wrap.
    private bool TestBit(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        GuestOperand of = operands[0];
        if (!Load(operands[1], out ulong number))
        {
            return true;
        }

        int bits = of.Size * 8;
        int bit = (int)(number & (ulong)(bits - 1));
        if (of.Kind == GuestOperandKind.Memory && operands[1].Kind == GuestOperandKind.Register)
        {
            long elements = (long)SignExtend(number, operands[1].Size) >> System.Numerics.BitOperations.Log2((uint)bits);
            of = of with { Value = of.Value + (ulong)(elements * of.Size) };
        }

        if (!Load(of, out ulong value))
        {
            return true;
        }

        ulong mask = 1UL << bit;
        ulong result = operation switch
        {
            GuestOperation.Bts => value | mask,
            GuestOperation.Btr => value & ~mask,
            GuestOperation.Btc => value ^ mask,
            _ => value,
        };
        if (operation == GuestOperation.Bt || Store(of, result))
        {
            _flags = _flags & ~Carry | value >> bit & Carry;
        }

        return true;
    }

    private bool Widen(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        static GuestRegister Of(int index, int size) => new(GuestRegisterClass.General, index, size);
        switch (operation)
        {
            case GuestOperation.Bswap when operands[0].Size >= 4:
                ulong value = System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(Read(operands[0].Register));
                Write(operands[0].Register, operands[0].Size == 4 ? value >> 32 : value);
                return true;
            case GuestOperation.Cbw or GuestOperation.Cwde or GuestOperation.Cdqe:
                int half = operation switch { GuestOperation.Cbw => 1, GuestOperation.Cwde => 2, _ => 4 };
                Write(Of(Rax, 2 * half), SignExtend(_general[Rax], half));
                return true;
            case GuestOperation.Cwd or GuestOperation.Cdq or GuestOperation.Cqo:
                int size = operation switch { GuestOperation.Cwd => 2, GuestOperation.Cdq => 4, _ => 8 };
                Write(Of(Rdx, size), (long)SignExtend(_general[Rax], size) < 0 ? ulong.MaxValue : 0);
                return true;
            default:
                return false;
        }
    }

    private bool Strings(GuestInstruction instruction)
    {
        GuestOperand to = instruction.Operands[0];
        GuestOperand from = instruction.Operands[1];
        int addressSize = Math.Max(to.AddressSize, from.AddressSize);
        GuestRegister counter = new(GuestRegisterClass.General, Rcx, addressSize);
        ulong step = (_flags & Direction) != 0 ? unchecked((ulong)-to.Size) : (ulong)to.Size;
        while (!instruction.IsRepeated || Read(counter) != 0)
        {
            if (instruction.IsRepeated && _budget-- <= 0)
            {
                _stop = new GuestStop(GuestStopKind.TooLong);
                break;
            }

            if (!Load(from, out ulong value) || !Store(to, value))
            {
                break;
            }

            foreach (GuestOperand operand in instruction.Operands)
            {
                if (operand.Kind == GuestOperandKind.Memory)
                {
                    Write(operand.Base, Read(operand.Base) + step);
                }
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
