using System.Collections.Immutable;
using Iced.Intel;
using Xstate.Guests;

namespace Xstate.Cli.GuestCode;

/// <summary>Machine code to the library's instructions, with Iced.</summary>
internal sealed class IcedDecoder : IGuestDecoder
{
    private static readonly ImmutableArray<string> Mnemonics = [.. Enum.GetValues<Mnemonic>()
        .Select(mnemonic => mnemonic.ToString().ToLowerInvariant())];

    public GuestInstruction Decode(ReadOnlyMemory<byte> code, ulong address, GuestMode mode)
    {
        Decoder decoder = Decoder.Create(mode == GuestMode.Real ? 16 : 64, new MemoryCodeReader(code), address);
        decoder.Decode(out Instruction instruction);
        if (instruction.IsInvalid)
        {
            return new GuestInstruction("", Math.Max(instruction.Length, 1), [], static () => "(bad)");
        }

        ImmutableArray<GuestOperand>.Builder operands = ImmutableArray.CreateBuilder<GuestOperand>(instruction.OpCount);
        for (int i = 0; i < instruction.OpCount; i++)
        {
            operands.Add(Operand(instruction, i));
        }

        Instruction kept = instruction;
        return new GuestInstruction(Mnemonics[(int)instruction.Mnemonic], instruction.Length, operands.DrainToImmutable(), () => Text(kept))
        {
            IsRepeated = instruction.HasRepPrefix || instruction.HasRepnePrefix,
            IsVex = instruction.Encoding == EncodingKind.VEX,
            IsEvex = instruction.Encoding == EncodingKind.EVEX,
            IsMasked = instruction.HasOpMask || instruction.ZeroingMasking || instruction.IsBroadcast
                || instruction.RoundingControl != RoundingControl.None
                || instruction.SuppressAllExceptions,
        };
    }

    // As the assembler reads it.
    private static string Text(in Instruction instruction)
    {
        IntelFormatter formatter = new();
        formatter.Options.HexPrefix = "0x";
        formatter.Options.HexSuffix = "";
        formatter.Options.UppercaseHex = false;
        formatter.Options.SpaceAfterOperandSeparator = true;
        formatter.Options.MemorySizeOptions = MemorySizeOptions.Always;
        StringOutput output = new();
        formatter.Format(instruction, output);
        return output.ToStringAndReset();
    }

    private static GuestOperand Operand(in Instruction instruction, int index)
    {
        OpKind kind = instruction.GetOpKind(index);
        switch (kind)
        {
            case OpKind.Register:
                GuestRegister register = Of(instruction.GetOpRegister(index));
                return new GuestOperand(GuestOperandKind.Register) { Register = register, Size = register.Size };
            case OpKind.NearBranch16 or OpKind.NearBranch32 or OpKind.NearBranch64:
                return new GuestOperand(GuestOperandKind.Target) { Value = instruction.NearBranchTarget };
            case OpKind.Memory:
                return Memory(instruction, instruction.MemoryBase, instruction.MemoryIndex, instruction.MemoryIndexScale,
                    instruction.MemoryDisplacement64);
            case OpKind.MemorySegSI or OpKind.MemorySegESI or OpKind.MemorySegRSI or OpKind.MemorySegDI or OpKind.MemorySegEDI
                or OpKind.MemorySegRDI
                or OpKind.MemoryESDI or OpKind.MemoryESEDI or OpKind.MemoryESRDI:
                return Memory(instruction, Implied(kind), Register.None, 1, 0);
            case OpKind.FarBranch16 or OpKind.FarBranch32:
                return new GuestOperand(GuestOperandKind.Target) { HasOtherSegment = true };
            default:
                return new GuestOperand(GuestOperandKind.Immediate) { Value = instruction.GetImmediate(index), Size = ImmediateSize(kind) };
        }
    }

    private static GuestOperand Memory(in Instruction instruction, Register based, Register index, int scale, ulong displacement)
    {
        // RIP-relative displacements are addresses already.
        bool relative = based is Register.RIP or Register.EIP;
        int size = relative || based == Register.None ? 0 : based.GetSize();
        size = size != 0 ? size : index != Register.None ? index.GetSize() : instruction.CodeSize == CodeSize.Code16 ? 2 : 8;
        return new GuestOperand(GuestOperandKind.Memory)
        {
            Base = relative ? default : Of(based),
            IndexedBy = Of(index),
            Scale = scale,
            Value = displacement,
            AddressSize = size,
            Size = instruction.MemorySize.GetSize(),
            IsOnStack = instruction.MemorySegment == Register.SS,

            // A far pointer loads a segment too; its base is not modelled either.
            HasOtherSegment = instruction.MemorySegment is Register.FS or Register.GS
                || instruction.MemorySize is MemorySize.SegPtr16 or MemorySize.SegPtr32 or MemorySize.SegPtr64,
        };
    }

    private static Register Implied(OpKind kind) => kind switch
    {
        OpKind.MemorySegSI => Register.SI,
        OpKind.MemorySegESI => Register.ESI,
        OpKind.MemorySegRSI => Register.RSI,
        OpKind.MemorySegDI or OpKind.MemoryESDI => Register.DI,
        OpKind.MemorySegEDI or OpKind.MemoryESEDI => Register.EDI,
        _ => Register.RDI,
    };

    private static int ImmediateSize(OpKind kind) => kind switch
    {
        OpKind.Immediate8 or OpKind.Immediate8_2nd => 1,
        OpKind.Immediate16 or OpKind.Immediate8to16 => 2,
        OpKind.Immediate32 or OpKind.Immediate8to32 => 4,
        _ => 8,
    };

    private static GuestRegister Of(Register register)
    {
        if (register == Register.None)
        {
            return default;
        }

        GuestRegisterClass kind = register switch
        {
            >= Register.AH and <= Register.BH => GuestRegisterClass.HighByte,
            _ when register.IsGPR() => GuestRegisterClass.General,
            _ when register.IsSegmentRegister() => GuestRegisterClass.Segment,
            _ when register.IsCR() => GuestRegisterClass.Control,
            _ when register.IsVectorRegister() => GuestRegisterClass.Vector,
            _ when register.IsST() => GuestRegisterClass.X87,
            _ when register.IsK() => GuestRegisterClass.Opmask,
            _ when register.IsBND() => GuestRegisterClass.Bound,
            _ when register.IsTMM() => GuestRegisterClass.Tile,
            _ => GuestRegisterClass.Other,
        };
        return new GuestRegister(kind, NumberOf(register), register.GetSize());
    }

    // The number in encodings (SDM Vol. 2A, table 3-1). Iced counts the byte registers through AH to BH, and AH is the second byte of
    // register 0.
    private static int NumberOf(Register register) => register switch
    {
        >= Register.AL and <= Register.BL => register - Register.AL,
        >= Register.AH and <= Register.BH => register - Register.AH,
        >= Register.SPL and <= Register.R15L => register - Register.SPL + (Register.SP - Register.AX),
        _ => register.GetNumber(),
    };

    private sealed class MemoryCodeReader(ReadOnlyMemory<byte> code) : CodeReader
    {
        private int _position;

        public override int ReadByte() => _position < code.Length ? code.Span[_position++] : -1;
    }
}
