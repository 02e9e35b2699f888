using System.Collections.Immutable;
using Xstate.Processor;

namespace Xstate.Guests;

/// <content>
/// x87: the instructions that put values into its registers and take them out, and those that move its state. It does not calculate.
/// </content>
internal sealed partial class GuestMachine
{
    private const int X87Length = 10;
    private const int EnvironmentLength = 28;
    private const ushort ConditionOne = 1 << 9;
    private const ushort StackFault = 1 << 6;
    private const ushort ExceptionMasks = 0x3F;

    private X87Registers X87 => _cpu.Registers.X87;

    private bool TryX87(GuestInstruction instruction, ulong start, ReadOnlySpan<byte> code)
    {
        GuestOperation operation = instruction.Operation;
        if (operation is < GuestOperation.Emms or > GuestOperation.Fdecstp || instruction.Operands.Any(operand => operand.HasOtherSegment)
            || (operation is >= GuestOperation.Fnstenv and <= GuestOperation.Frstor
                && (_mode == GuestMode.Real || instruction.Operands[0].Size is 14 or 94)))
        {
            return false;
        }

        if (RaiseIfX87Off(operation))
        {
            return true;
        }

        if (operation is >= GuestOperation.Fninit and <= GuestOperation.Frstor or GuestOperation.Emms or GuestOperation.Wait)
        {
            return Administer(operation, instruction.Operands);
        }

        bool known = Transfer(operation, instruction.Operands);
        if (known && _vector < 0)
        {
            GuestOperand memory = instruction.Operands.FirstOrDefault(operand => operand.Kind == GuestOperandKind.Memory);
            ulong? data = memory.Kind == GuestOperandKind.Memory ? AddressOf(memory) : null;
            X87.NotePointers(_cpu.Profile, Opcode(code), start, data);
        }

        return known;
    }

    // The low bits of the first opcode byte and the second; no prefix looks like the first.
    private static ushort Opcode(ReadOnlySpan<byte> code)
    {
        int at = code.IndexOfAnyInRange((byte)0xD8, (byte)0xDF);
        return (ushort)((code[at] & 7) << 8 | code[at + 1]);
    }

    // SDM Vol. 3A, table 2-2, and what waits for an exception that is pending.
    private bool RaiseIfX87Off(GuestOperation operation)
    {
        Cr0 cr0 = _cpu.Cr0;
        bool emulated = (cr0 & Cr0.Emulation) != Cr0.None;
        bool switched = (cr0 & Cr0.TaskSwitched) != Cr0.None;
        bool isWait = operation == GuestOperation.Wait;
        bool isMmx = operation == GuestOperation.Emms;
        bool waits = operation is not (GuestOperation.Fninit or GuestOperation.Fnclex or GuestOperation.Fnstcw or GuestOperation.Fnstsw
            or GuestOperation.Fnstenv or GuestOperation.Fnsave);
        if (isMmx && emulated)
        {
            Raise(Fault.InvalidOpcode);
        }
        else if (isWait ? switched && (cr0 & Cr0.MonitorCoprocessor) != Cr0.None : emulated || switched)
        {
            Raise(Fault.DeviceNotAvailable);
        }
        else if (waits && X87.HasPendingException)
        {
            if ((cr0 & Cr0.NumericError) == Cr0.None && !_cpu.VmxNonRoot)
            {
                _stop = new GuestStop(GuestStopKind.NotModelled, "an x87 error with CR0.NE clear");
                return true;
            }

            Raise(Fault.FloatingPointError);
        }

        return _vector >= 0;
    }

    private bool Administer(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        switch (operation)
        {
            case GuestOperation.Fninit:
                X87.Fninit();
                return true;
            case GuestOperation.Fnclex:
                X87.Fsw = (ushort)(X87.Fsw & ~(ExceptionMasks | StackFault));
                return true;
            case GuestOperation.Fnstcw:
                return Store(operands[0], X87.Fcw) || true;
            case GuestOperation.Fldcw:
                X87.Fcw = Load(operands[0], out ulong control) ? (ushort)control : X87.Fcw;
                return true;
            case GuestOperation.Fnstsw:
                return Store(operands[0], X87.Fsw) || true;
            case GuestOperation.Fnstenv or GuestOperation.Fnsave:
                return StoreEnvironment(operands[0], operation == GuestOperation.Fnsave);
            case GuestOperation.Fldenv or GuestOperation.Frstor:
                return LoadEnvironment(operands[0], operation == GuestOperation.Frstor);
            case GuestOperation.Emms:
                X87.AbridgedFtw = 0;
                X87.MoveTop(-X87.Top);
                return true;
            default:
                return true;
        }
    }

    private bool StoreEnvironment(GuestOperand operand, bool withRegisters)
    {
        Span<byte> image = stackalloc byte[EnvironmentLength + (8 * X87Length)];
        X87.WriteEnvironment(image, _cpu.Profile);
        for (int index = 0; index < 8; index++)
        {
            X87.St(index).CopyTo(image[(EnvironmentLength + (index * X87Length))..]);
        }

        Fault fault = _memory.Write(AddressOf(operand), image[..(withRegisters ? image.Length : EnvironmentLength)]);
        Raise(fault);
        if (fault.IsFault)
        {
            return true;
        }

        if (withRegisters)
        {
            X87.Fninit();
        }
        else
        {
            X87.Fcw |= ExceptionMasks;
        }

        return true;
    }

    private bool LoadEnvironment(GuestOperand operand, bool withRegisters)
    {
        Span<byte> image = stackalloc byte[EnvironmentLength + (8 * X87Length)];
        Fault fault = _memory.Read(AddressOf(operand), image[..(withRegisters ? image.Length : EnvironmentLength)]);
        Raise(fault);
        if (fault.IsFault)
        {
            return true;
        }

        X87.ReadEnvironment(image, _cpu.Profile, keepsPlaces: !withRegisters);
        for (int index = 0; index < 8 && withRegisters; index++)
        {
            X87.SetSt(index, image.Slice(EnvironmentLength + (index * X87Length), X87Length));
        }

        return true;
    }

    private bool Transfer(GuestOperation operation, ImmutableArray<GuestOperand> operands)
    {
        switch (operation)
        {
            case GuestOperation.Fnop:
                return true;
            case GuestOperation.Fld or GuestOperation.Fild:
                return LoadNumber(operation, operands[^1]);
            case >= GuestOperation.Fld1 and <= GuestOperation.Fldln2:
                PushNumber(X87.Constant(operation - GuestOperation.Fld1), 0);
                return true;
            case GuestOperation.Fst or GuestOperation.Fstp:
                return StoreNumber(operands[0], pops: operation == GuestOperation.Fstp);
            case GuestOperation.Fxch:
                Swap(operands[^1].Register.Index);
                return true;
            case GuestOperation.Fchs or GuestOperation.Fabs:
                ChangeSign(operation == GuestOperation.Fchs);
                return true;
            case GuestOperation.Ffree:
                X87.SetEmpty(operands[0].Register.Index, empty: true);
                SetStatus(0, conditionOne: false);
                return true;
            default:
                X87.MoveTop(operation == GuestOperation.Fincstp ? 1 : -1);
                SetStatus(0, conditionOne: false);
                return true;
        }
    }

    // The flags stay set until FNCLEX; C1 tells of the last instruction.
    private void SetStatus(ushort exceptions, bool conditionOne) =>
        X87.Fsw = (ushort)(X87.Fsw & ~ConditionOne | exceptions | (conditionOne ? ConditionOne : 0));

    private bool IsMasked(ushort exceptions) => (exceptions & ~X87.Fcw & ExceptionMasks) == 0;

    private void PushNumber(ReadOnlySpan<byte> value, ushort exceptions)
    {
        bool full = !X87.IsEmpty(7);
        exceptions = full ? (ushort)(X87Number.InvalidOperation | StackFault) : exceptions;
        if (IsMasked(exceptions))
        {
            X87.Push(full ? X87Number.Indefinite : value);
        }

        SetStatus(exceptions, conditionOne: full);
    }

    private bool LoadNumber(GuestOperation operation, GuestOperand from)
    {
        Span<byte> value = stackalloc byte[X87Length];
        if (from.Kind == GuestOperandKind.Register)
        {
            bool empty = X87.IsEmpty(from.Register.Index);
            (empty ? X87Number.Indefinite : X87.St(from.Register.Index)).CopyTo(value);
            if (empty)
            {
                // An underflow of the stack, whether or not there is room: C1 is 0 (measured).
                PushUnlessUnmasked(value);
                return true;
            }

            PushNumber(value, 0);
            return true;
        }

        if (from.Size == X87Length)
        {
            Raise(_memory.Read(AddressOf(from), value));
            if (_vector < 0)
            {
                PushNumber(value, 0);
            }

            return true;
        }

        if (Load(from, out ulong bits))
        {
            ushort exceptions = 0;
            if (operation == GuestOperation.Fild)
            {
                X87Number.FromInteger((long)GuestArithmetic.SignExtend(bits, from.Size), value);
            }
            else
            {
                exceptions = X87Number.FromMemory(bits, from.Size, value);
            }

            PushNumber(value, exceptions);
        }

        return true;
    }

    private void PushUnlessUnmasked(ReadOnlySpan<byte> value)
    {
        const ushort Underflow = X87Number.InvalidOperation | StackFault;
        if (IsMasked(Underflow))
        {
            X87.Push(value);
        }

        SetStatus(Underflow, conditionOne: false);
    }

    private bool StoreNumber(GuestOperand to, bool pops)
    {
        Span<byte> value = stackalloc byte[X87Length];
        bool empty = X87.IsEmpty(0);
        (empty ? X87Number.Indefinite : X87.St(0)).CopyTo(value);
        ushort exceptions = empty ? (ushort)(X87Number.InvalidOperation | StackFault) : (ushort)0;
        bool roundedUp = false;
        ulong bits = 0;
        bool converts = to.Kind == GuestOperandKind.Memory && to.Size < X87Length;
        if (converts)
        {
            ushort converting = X87Number.ToMemory(value, to.Size, X87.Fcw, out bits, out roundedUp);
            exceptions |= empty ? (ushort)0 : converting;
        }

        // Precision is told of after the store; all others forbid it.
        if (IsMasked((ushort)(exceptions & ~X87Number.Precision)))
        {
            if (!StoreValue(to, value, bits, converts))
            {
                return true;
            }

            if (pops)
            {
                X87.Pop();
            }
        }
        else
        {
            exceptions = (ushort)(exceptions & ~X87Number.Precision);
            roundedUp = false;
        }

        SetStatus(exceptions, roundedUp);
        return true;
    }

    private bool StoreValue(GuestOperand to, ReadOnlySpan<byte> value, ulong bits, bool converts)
    {
        if (converts)
        {
            return Store(to, bits);
        }

        if (to.Kind == GuestOperandKind.Memory)
        {
            Fault fault = _memory.Write(AddressOf(to), value);
            Raise(fault);
            return !fault.IsFault;
        }

        X87.SetSt(to.Register.Index, value);
        X87.SetEmpty(to.Register.Index, empty: false);
        return true;
    }

    private void Swap(int other)
    {
        bool underflow = X87.IsEmpty(0) || X87.IsEmpty(other);
        ushort exceptions = underflow ? (ushort)(X87Number.InvalidOperation | StackFault) : (ushort)0;
        if (IsMasked(exceptions))
        {
            Span<byte> first = stackalloc byte[X87Length];
            Span<byte> second = stackalloc byte[X87Length];
            (X87.IsEmpty(0) ? X87Number.Indefinite : X87.St(0)).CopyTo(first);
            (X87.IsEmpty(other) ? X87Number.Indefinite : X87.St(other)).CopyTo(second);
            X87.SetSt(0, second);
            X87.SetSt(other, first);
            X87.SetEmpty(0, empty: false);
            X87.SetEmpty(other, empty: false);
        }

        SetStatus(exceptions, conditionOne: false);
    }

    private void ChangeSign(bool flips)
    {
        bool empty = X87.IsEmpty(0);
        ushort exceptions = empty ? (ushort)(X87Number.InvalidOperation | StackFault) : (ushort)0;
        if (IsMasked(exceptions))
        {
            Span<byte> value = stackalloc byte[X87Length];
            (empty ? X87Number.Indefinite : X87.St(0)).CopyTo(value);
            value[^1] = empty ? value[^1] : (byte)(flips ? value[^1] ^ 0x80 : value[^1] & 0x7F);
            X87.SetSt(0, value);
            X87.SetEmpty(0, empty: false);
        }

        SetStatus(exceptions, conditionOne: false);
    }
}
