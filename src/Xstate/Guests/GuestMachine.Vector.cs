using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Guests;

/// <content>As many vector instructions as it takes to put values into registers, to take them out and to zero them.</content>
internal sealed partial class GuestMachine
{
    private const int XmmLength = 16;
    private const int ZmmLength = 64;
    private static readonly StateComponentSet OfVex = StateComponentSet.Of(StateComponent.Sse, StateComponent.Avx);
    private static readonly StateComponentSet OfEvex =
        OfVex | StateComponentSet.Of(StateComponent.Opmask, StateComponent.ZmmHi256, StateComponent.Hi16Zmm);

    private enum VectorMove
    {
        None,
        Unaligned,
        Aligned,
        Low,
        Xor,
    }

    private bool TryVector(GuestInstruction instruction)
    {
        GuestOperation operation = instruction.Operation;
        if (operation is GuestOperation.Vzeroupper or GuestOperation.Vzeroall)
        {
            if (!RaiseIfVectorsOff(instruction))
            {
                ZeroVectors(all: operation == GuestOperation.Vzeroall);
            }

            return true;
        }

        if (instruction.IsMasked || instruction.Operands.Any(operand => operand.HasOtherSegment))
        {
            return false;
        }

        return operation switch
        {
            >= GuestOperation.Kmovb and <= GuestOperation.Kmovq => MoveMask(instruction),
            GuestOperation.Bndmov => MoveBounds(instruction.Operands),
            _ => TryMove(instruction, KindOf(operation)),
        };
    }

    private static VectorMove KindOf(GuestOperation operation) => operation switch
    {
        GuestOperation.Movdqu or GuestOperation.Movups or GuestOperation.Movupd => VectorMove.Unaligned,
        GuestOperation.Vmovdqu or GuestOperation.Vmovups or GuestOperation.Vmovupd => VectorMove.Unaligned,
        >= GuestOperation.Vmovdqu8 and <= GuestOperation.Vmovdqu64 => VectorMove.Unaligned,
        GuestOperation.Movdqa or GuestOperation.Movaps or GuestOperation.Movapd => VectorMove.Aligned,
        GuestOperation.Vmovdqa or GuestOperation.Vmovaps or GuestOperation.Vmovapd => VectorMove.Aligned,
        GuestOperation.Vmovdqa32 or GuestOperation.Vmovdqa64 => VectorMove.Aligned,
        GuestOperation.Movd or GuestOperation.Movq or GuestOperation.Vmovd or GuestOperation.Vmovq => VectorMove.Low,
        GuestOperation.Pxor or GuestOperation.Xorps or GuestOperation.Xorpd => VectorMove.Xor,
        GuestOperation.Vpxor or GuestOperation.Vxorps or GuestOperation.Vxorpd => VectorMove.Xor,
        GuestOperation.Vpxord or GuestOperation.Vpxorq => VectorMove.Xor,
        _ => VectorMove.None,
    };

    private bool TryMove(GuestInstruction instruction, VectorMove kind)
    {
        bool operandsKnown = instruction.Operands.All(operand =>
            operand.Kind != GuestOperandKind.Register || operand.Register.Class is GuestRegisterClass.Vector or GuestRegisterClass.General);
        bool hasVector = instruction.Operands.Any(operand => operand.Register.Class == GuestRegisterClass.Vector);
        if (kind == VectorMove.None || !operandsKnown || !hasVector)
        {
            return false;
        }

        if (!RaiseIfVectorsOff(instruction))
        {
            Move(instruction, kind);
        }

        return true;
    }

    private bool RaiseIfVectorsOff(GuestInstruction instruction)
    {
        StateComponentSet needed = instruction.IsEvex ? OfEvex : OfVex;
        bool extended = instruction.IsVex || instruction.IsEvex;
        bool off = extended
            ? (_cpu.Cr0 & Cr0.ProtectionEnable) == Cr0.None || (_cpu.Cr4 & Cr4.OsXsave) == Cr4.None || !_cpu.Xcr0.ContainsAll(needed)
            : (_cpu.Cr4 & Cr4.OsFxsr) == Cr4.None || (_cpu.Cr0 & Cr0.Emulation) != Cr0.None;
        Raise(off ? Fault.InvalidOpcode
            : (_cpu.Cr0 & Cr0.TaskSwitched) != Cr0.None ? Fault.DeviceNotAvailable
            : Fault.None);
        return _vector >= 0;
    }

    // KMOV is encoded with VEX and belongs to AVX-512.
    private bool MoveMask(GuestInstruction instruction)
    {
        if (RaiseIfVectorsOff(instruction with { IsEvex = true }))
        {
            return true;
        }

        int size = instruction.Operation switch
        {
            GuestOperation.Kmovb => 1,
            GuestOperation.Kmovw => 2,
            GuestOperation.Kmovd => 4,
            _ => 8,
        };
        GuestOperand to = instruction.Operands[0];
        GuestOperand from = instruction.Operands[1];
        bool loaded = true;
        ulong value = from.Register.Class == GuestRegisterClass.Opmask ? _cpu.Registers.Vectors.ReadOpmask(from.Register.Index) : 0;
        loaded = from.Register.Class == GuestRegisterClass.Opmask || Load(from, out value);
        value &= GuestArithmetic.Mask(size);
        if (loaded && to.Register.Class == GuestRegisterClass.Opmask)
        {
            _cpu.Registers.Vectors.WriteOpmask(to.Register.Index, value);
        }
        else if (loaded)
        {
            Store(to, value);
        }

        return true;
    }

    // MPX: without its components in XCR0, and without BNDCFGU or BNDCFGS enabling it, BNDMOV is a NOP; the enabled form needs BNDCSR,
    // which only XRSTOR sets here.
    private bool MoveBounds(ImmutableArray<GuestOperand> operands)
    {
        StateComponentSet bounds = StateComponentSet.Of(StateComponent.BndRegs, StateComponent.BndCsr);
        bool enabled = (_cpu.Cr4 & Cr4.OsXsave) != Cr4.None && _cpu.Xcr0.ContainsAll(bounds) && _cpu.Cpl == 3
            && (_cpu.Registers.Read(StateComponent.BndCsr)[0] & 1) != 0;
        if (!enabled)
        {
            return true;
        }

        Span<byte> value = stackalloc byte[XmmLength];
        if (operands[1].Kind == GuestOperandKind.Register)
        {
            _cpu.Registers.Read(StateComponent.BndRegs).Slice(operands[1].Register.Index * XmmLength, XmmLength).CopyTo(value);
        }
        else
        {
            Raise(_memory.Read(AddressOf(operands[1]), value));
        }

        if (_vector < 0 && operands[0].Kind == GuestOperandKind.Register)
        {
            value.CopyTo(_cpu.Registers.Write(StateComponent.BndRegs)[(operands[0].Register.Index * XmmLength)..]);
        }
        else if (_vector < 0)
        {
            Raise(_memory.Write(AddressOf(operands[0]), value));
        }

        return true;
    }

    private void Move(GuestInstruction instruction, VectorMove kind)
    {
        GuestOperand to = instruction.Operands[0];
        GuestOperand from = instruction.Operands[^1];
        int length = kind == VectorMove.Low
            ? instruction.Operation is GuestOperation.Movq or GuestOperation.Vmovq ? 8 : 4
            : instruction.Operands.Max(operand => operand.Kind == GuestOperandKind.Register ? operand.Register.Size : 0);
        Span<byte> value = stackalloc byte[ZmmLength];
        value.Clear();
        bool aligned = kind == VectorMove.Aligned || (kind == VectorMove.Xor && !instruction.IsVex && !instruction.IsEvex);
        if (!Load(from, value[..length], aligned))
        {
            return;
        }

        if (kind == VectorMove.Xor)
        {
            // Two operands: the first is also a source.
            Span<byte> other = stackalloc byte[ZmmLength];
            _cpu.Registers.Vectors.ReadZmm(instruction.Operands[^2].Register.Index, other);
            for (int i = 0; i < length; i++)
            {
                value[i] ^= other[i];
            }
        }

        if (to.Kind == GuestOperandKind.Memory)
        {
            Fault fault = Misaligned(AddressOf(to), length, aligned);
            Raise(fault.IsFault ? fault : _memory.Write(AddressOf(to), value[..length]));
        }
        else if (to.Register.Class == GuestRegisterClass.General)
        {
            Write(to.Register, BinaryPrimitives.ReadUInt64LittleEndian(value));
        }
        else if (instruction.IsVex || instruction.IsEvex)
        {
            _cpu.Registers.Vectors.WriteExtended(to.Register.Index, value[..Math.Max(length, XmmLength)]);
        }
        else
        {
            _cpu.Registers.Vectors.WriteXmm(to.Register.Index, value[..XmmLength]);
        }
    }

    private bool Load(GuestOperand operand, Span<byte> value, bool aligned)
    {
        if (operand.Kind == GuestOperandKind.Register)
        {
            Span<byte> whole = stackalloc byte[ZmmLength];
            if (operand.Register.Class == GuestRegisterClass.General)
            {
                BinaryPrimitives.WriteUInt64LittleEndian(whole, Read(operand.Register));
            }
            else
            {
                _cpu.Registers.Vectors.ReadZmm(operand.Register.Index, whole);
            }

            whole[..value.Length].CopyTo(value);
            return true;
        }

        Fault fault = Misaligned(AddressOf(operand), value.Length, aligned);
        fault = fault.IsFault ? fault : _memory.Read(AddressOf(operand), value);
        Raise(fault);
        return !fault.IsFault;
    }

    private static Fault Misaligned(ulong address, int length, bool aligned) =>
        aligned && address % (ulong)length != 0 ? Fault.GeneralProtection : Fault.None;

    private void ZeroVectors(bool all)
    {
        if (all)
        {
            Span<byte> zeros = stackalloc byte[ZmmLength];
            zeros.Clear();
            for (int index = 0; index < (_cpu.Is64BitMode ? 16 : 8); index++)
            {
                _cpu.Registers.Vectors.WriteXmm(index, zeros[..XmmLength]);
            }
        }

        _cpu.Registers.Vectors.ZeroUpper(_cpu.Is64BitMode);
    }
}
