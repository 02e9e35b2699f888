using System.Buffers.Binary;
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

    private bool TryVector(GuestInstruction instruction)
    {
        string name = instruction.Mnemonic;
        if (name is "vzeroupper" or "vzeroall")
        {
            if (!RaiseIfVectorsOff(instruction))
            {
                Zero(all: name == "vzeroall");
            }

            return true;
        }

        // The EVEX forms carry the element size in their names.
        string kind = (instruction.IsVex || instruction.IsEvex ? name[1..] : name) switch
        {
            "movdqu" or "movups" or "movupd" or "movdqu8" or "movdqu16" or "movdqu32" or "movdqu64" => "unaligned",
            "movdqa" or "movaps" or "movapd" or "movdqa32" or "movdqa64" => "aligned",
            "movd" or "movq" => "low",
            "pxor" or "xorps" or "xorpd" or "pxord" or "pxorq" => "xor",
            _ => "",
        };
        bool operandsKnown = instruction.Operands.All(operand => !operand.HasOtherSegment
            && (operand.Kind != GuestOperandKind.Register || operand.Register.Class is GuestRegisterClass.Vector or GuestRegisterClass.General));
        if (kind.Length == 0 || !operandsKnown || instruction.IsMasked)
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
            ? (_cpu.Cr4 & Cr4.OsXsave) == Cr4.None || !_cpu.Xcr0.ContainsAll(needed)
            : (_cpu.Cr4 & Cr4.OsFxsr) == Cr4.None || (_cpu.Cr0 & Cr0.Emulation) != Cr0.None;
        Raise(off ? Fault.InvalidOpcode
            : (_cpu.Cr0 & Cr0.TaskSwitched) != Cr0.None ? Fault.DeviceNotAvailable
            : Fault.None);
        return _vector >= 0;
    }

    private void Move(GuestInstruction instruction, string kind)
    {
        GuestOperand to = instruction.Operands[0];
        GuestOperand from = instruction.Operands[^1];
        int length = kind == "low"
            ? instruction.Mnemonic.EndsWith('q') ? 8 : 4
            : instruction.Operands.Max(operand => operand.Kind == GuestOperandKind.Register ? operand.Register.Size : 0);
        Span<byte> value = stackalloc byte[ZmmLength];
        value.Clear();
        bool aligned = kind == "aligned" || (kind == "xor" && !instruction.IsVex && !instruction.IsEvex);
        if (!Load(from, value[..length], aligned))
        {
            return;
        }

        if (kind == "xor")
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

    private void Zero(bool all)
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
