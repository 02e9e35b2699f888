using Iced.Intel;

namespace Xstate.Cli.GuestCode;

/// <summary>Fits written operands to the operand kinds of one form of an instruction.</summary>
internal static class InstructionForm
{
    // Descriptor-table registers and far pointers are written as fword in 64-bit mode too, where they have ten bytes.
    private const int FarPointer = 6;
    private const int WideFarPointer = 10;

    /// <summary>Makes the instruction, if each operand kind of the form takes the operand in its place.</summary>
    public static bool TryFill(Code code, WrittenInstruction written, int bitness, Dictionary<string, ulong> labels,
        out Instruction instruction)
    {
        OpCodeInfo form = code.ToOpCode();
        instruction = default;
        instruction.Code = code;
        if (!TryPrefixes(form, written.Prefixes, ref instruction))
        {
            return false;
        }

        // String instructions are written without the operands that they cannot choose.
        bool implied = written.Operands.Count == 0 && form.OpCount > 0;
        if (!implied && written.Operands.Count != form.OpCount)
        {
            return false;
        }

        for (int i = 0; i < form.OpCount; i++)
        {
            string kind = form.GetOpKind(i).ToString();
            bool fits = implied ? TryImplied(kind, bitness, i, ref instruction) : written.Operands[i] switch
            {
                WrittenOperand.InRegister register => TryRegister(kind, register.Register, i, ref instruction),
                WrittenOperand.Constant constant => TryConstant(kind, constant.Value, i, ref instruction),
                WrittenOperand.Label label => labels.TryGetValue(label.Name, out ulong target)
                    && TryTarget(kind, target, bitness, i, ref instruction),
                WrittenOperand.InMemory memory => TryMemory(form, kind, memory, bitness, i, ref instruction),
                _ => false,
            };
            if (!fits)
            {
                return false;
            }
        }

        return true;
    }

    private static bool TryPrefixes(OpCodeInfo form, IReadOnlyList<string> prefixes, ref Instruction instruction)
    {
        foreach (string prefix in prefixes)
        {
            switch (prefix)
            {
                case "lock" when form.CanUseLockPrefix:
                    instruction.HasLockPrefix = true;
                    break;
                case "rep" or "repe" or "repz" when form.CanUseRepPrefix:
                    instruction.HasRepPrefix = true;
                    break;
                case "repne" or "repnz" when form.CanUseRepnePrefix:
                    instruction.HasRepnePrefix = true;
                    break;
                default:
                    return false;
            }
        }

        return true;
    }

    private static bool TryRegister(string kind, Register register, int operand, ref Instruction instruction)
    {
        // The kinds are named for what they take: r32_reg, xmm_or_mem, zmm_vvvv, and al, dx, cs for registers that the opcode implies.
        string family = kind.Split('_')[0];
        bool fits = family switch
        {
            "r8" => register.IsGPR8(),
            "r16" => register.IsGPR16(),
            "r32" => register.IsGPR32(),
            "r64" => register.IsGPR64(),
            "mm" => register.IsMM(),
            "xmm" or "xmmp3" => register.IsXMM(),
            "ymm" => register.IsYMM(),
            "zmm" or "zmmp3" => register.IsZMM(),
            "tmm" => register.IsTMM(),
            "k" or "kp1" => register.IsK(),
            "bnd" => register.IsBND(),
            "cr" => register.IsCR(),
            "dr" => register.IsDR(),
            "tr" => register.IsTR(),
            "seg" => kind == "seg_reg" && register.IsSegmentRegister(),
            "sti" => register.IsST(),
            _ => kind.Equals(register.ToString(), StringComparison.OrdinalIgnoreCase),
        };
        if (fits)
        {
            instruction.SetOpKind(operand, OpKind.Register);
            instruction.SetOpRegister(operand, register);
        }

        return fits;
    }

    private static bool TryConstant(string kind, ulong value, int operand, ref Instruction instruction)
    {
        (OpKind encoded, int bits, int of) = kind switch
        {
            "imm8" => (HasImmediateBefore(instruction, operand) ? OpKind.Immediate8_2nd : OpKind.Immediate8, 8, 8),
            "imm8_const_1" => (OpKind.Immediate8, value == 1 ? 8 : 0, 8),
            "imm8sex16" => (OpKind.Immediate8to16, 8, 16),
            "imm8sex32" => (OpKind.Immediate8to32, 8, 32),
            "imm8sex64" => (OpKind.Immediate8to64, 8, 64),
            "imm16" => (OpKind.Immediate16, 16, 16),
            "imm32" => (OpKind.Immediate32, 32, 32),
            "imm32sex64" => (OpKind.Immediate32to64, 32, 64),
            "imm64" => (OpKind.Immediate64, 64, 64),
            _ => (OpKind.Register, 0, 0),
        };
        if (bits == 0 || !Fits(value, bits, of))
        {
            return false;
        }

        instruction.SetOpKind(operand, encoded);
        instruction.SetImmediate(operand, value);
        return true;
    }

    private static bool HasImmediateBefore(in Instruction instruction, int operand)
    {
        bool found = false;
        for (int i = 0; i < operand; i++)
        {
            found |= instruction.GetOpKind(i) is OpKind.Immediate8 or OpKind.Immediate16;
        }

        return found;
    }

    // A constant may be written signed or unsigned; what is encoded in fewer bits must give the same after sign extension.
    private static bool Fits(ulong value, int bits, int of)
    {
        if (of == 64 && bits == 64)
        {
            return true;
        }

        long signed = (long)(value << (64 - of)) >> (64 - of);
        bool inOperand = of == 64 || value >> of == 0 || (long)value == signed;
        return inOperand && (bits == of || (signed >= -(1L << (bits - 1)) && signed < 1L << (bits - 1)));
    }

    private static bool TryTarget(string kind, ulong target, int bitness, int operand, ref Instruction instruction)
    {
        if (!kind.StartsWith(bitness == 16 ? "br16_" : "br64_", StringComparison.Ordinal))
        {
            return false;
        }

        // Only the shape counts here: the block encoder lays out where the target is and lengthens the jump where it must.
        instruction.SetOpKind(operand, bitness == 16 ? OpKind.NearBranch16 : OpKind.NearBranch64);
        instruction.NearBranch64 = target;
        return true;
    }

    private static bool TryImplied(string kind, int bitness, int operand, ref Instruction instruction)
    {
        if (Enum.TryParse(kind, ignoreCase: true, out Register register) && register is Register.AL or Register.AX or Register.EAX
            or Register.RAX or Register.DX)
        {
            return TryRegister(kind, register, operand, ref instruction);
        }

        return kind is "es_rDI" or "seg_rSI" && TryImpliedMemory(kind, (kind, bitness) switch
        {
            ("es_rDI", 16) => Register.DI,
            ("es_rDI", _) => Register.RDI,
            (_, 16) => Register.SI,
            _ => Register.RSI,
        }, operand, ref instruction);
    }

    // The memory of string instructions, for which there is one register each.
    private static bool TryImpliedMemory(string kind, Register based, int operand, ref Instruction instruction)
    {
        OpKind? memory = (kind, based) switch
        {
            ("es_rDI", Register.DI) => OpKind.MemoryESDI,
            ("es_rDI", Register.EDI) => OpKind.MemoryESEDI,
            ("es_rDI", Register.RDI) => OpKind.MemoryESRDI,
            ("seg_rSI", Register.SI) => OpKind.MemorySegSI,
            ("seg_rSI", Register.ESI) => OpKind.MemorySegESI,
            ("seg_rSI", Register.RSI) => OpKind.MemorySegRSI,
            ("seg_rDI", Register.DI) => OpKind.MemorySegDI,
            ("seg_rDI", Register.EDI) => OpKind.MemorySegEDI,
            ("seg_rDI", Register.RDI) => OpKind.MemorySegRDI,
            _ => null,
        };
        if (memory is { } known)
        {
            instruction.SetOpKind(operand, known);
        }

        return memory is not null;
    }

    private static bool TryMemory(OpCodeInfo form, string kind, WrittenOperand.InMemory memory, int bitness, int operand,
        ref Instruction instruction)
    {
        if (memory is { Index: Register.None, Displacement: 0 } && TryImpliedMemory(kind, memory.Base, operand, ref instruction))
        {
            // The segment of ES:DI cannot be another.
            instruction.SegmentPrefix = kind == "es_rDI" ? instruction.SegmentPrefix : memory.Segment;
            return memory.Size == 0 || memory.Size == form.MemorySize.GetSize();
        }

        bool takes = kind is "mem" or "mem_mpx" or "mem_offs" or "sibmem" || kind.Contains("_or_mem", StringComparison.Ordinal);
        int size = form.MemorySize.GetSize();
        bool absolute = memory.Base == Register.None && memory.Index == Register.None;
        bool sizeFits = memory.Size == 0 || size == 0 || memory.Size == size || (memory.Size == FarPointer && size == WideFarPointer);
        if (!takes || !sizeFits || (kind == "mem_offs" && !absolute))
        {
            return false;
        }

        (Register based, Register index) = memory.Index is Register.RSP or Register.ESP && memory.Scale == 1
            ? (memory.Index, memory.Base) : (memory.Base, memory.Index);
        instruction.SetOpKind(operand, OpKind.Memory);
        instruction.MemoryBase = based;
        instruction.MemoryIndex = index;
        instruction.MemoryIndexScale = memory.Scale;
        instruction.MemoryDisplacement64 = (ulong)memory.Displacement;
        instruction.MemoryDisplSize = absolute ? bitness / 8 : memory.Displacement == 0 ? 0 : 1;
        instruction.SegmentPrefix = memory.Segment;
        return true;
    }
}
