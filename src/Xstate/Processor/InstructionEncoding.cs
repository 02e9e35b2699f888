namespace Xstate.Processor;

/// <summary>An instruction of this room, or what stands in its place.</summary>
public enum StateInstruction
{
    /// <summary>Another instruction, which this room does not know.</summary>
    None,

    /// <summary>An encoding in this room's opcode space that raises #UD.</summary>
    Invalid,

    /// <summary>XSAVE.</summary>
    Xsave,

    /// <summary>XSAVEOPT.</summary>
    Xsaveopt,

    /// <summary>XSAVEC.</summary>
    Xsavec,

    /// <summary>XSAVES.</summary>
    Xsaves,

    /// <summary>XRSTOR.</summary>
    Xrstor,

    /// <summary>XRSTORS.</summary>
    Xrstors,

    /// <summary>FXSAVE.</summary>
    Fxsave,

    /// <summary>FXRSTOR.</summary>
    Fxrstor,

    /// <summary>XGETBV.</summary>
    Xgetbv,

    /// <summary>XSETBV.</summary>
    Xsetbv,

    /// <summary>RDPKRU.</summary>
    Rdpkru,

    /// <summary>WRPKRU.</summary>
    Wrpkru,
}

/// <summary>
/// Recognizes the encodings (SDM Vol. 2): 0F AE /0 /1 /4 /5 /6 and 0F C7 /3 /4 /5 with a memory operand, and 0F 01 D0, D1, EE, EF. Decoding
/// the memory operand itself is the emulator's work, as for any other instruction.
/// </summary>
/// <param name="Instruction">What the bytes encode.</param>
/// <param name="Operand">Whether REX.W is there.</param>
/// <param name="ModRmOffset">Where the ModRM byte is; 0 for what is not an instruction of this room.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public readonly record struct InstructionEncoding(StateInstruction Instruction, XsaveOperand Operand, int ModRmOffset)
{
    private const byte TwoByteEscape = 0x0F;
    private const byte RexMask = 0xF0;
    private const byte Rex = 0x40;
    private const byte RexW = 0x08;

    /// <summary>
    /// Recognizes the instruction at the start of some bytes. LOCK, 66, F2 and F3 turn every encoding of the group into #UD, but for the
    /// opcodes that they make into other instructions: F3 0F AE with a register (RDFSBASE and others) or /4 (PTWRITE), and 66 0F AE /6
    /// (CLWB).
    /// </summary>
    public static InstructionEncoding Decode(ReadOnlySpan<byte> code, bool is64BitMode)
    {
        bool locked = false;
        byte mandatory = 0;
        int at = 0;
        while (at < code.Length && IsLegacyPrefix(code[at]))
        {
            locked |= code[at] == 0xF0;
            mandatory = code[at] is 0x66 or 0xF2 or 0xF3 ? code[at] : mandatory;
            at++;
        }

        XsaveOperand operand = XsaveOperand.Legacy;
        if (is64BitMode && at < code.Length && (code[at] & RexMask) == Rex)
        {
            operand = (code[at] & RexW) != 0 ? XsaveOperand.Rex64 : XsaveOperand.Legacy;
            at++;
        }

        if (code.Length < at + 3 || code[at] != TwoByteEscape)
        {
            return default;
        }

        StateInstruction found = Classify(code[at + 1], code[at + 2], mandatory);
        found = found != StateInstruction.None && (locked || mandatory != 0) ? StateInstruction.Invalid : found;
        return found == StateInstruction.None ? default : new InstructionEncoding(found, operand, at + 2);
    }

    private static bool IsLegacyPrefix(byte value) => value is 0x66 or 0x67 or 0xF0 or 0xF2 or 0xF3 or 0x2E or 0x36 or 0x3E or 0x26 or 0x64
        or 0x65;

    private static StateInstruction Classify(byte opcode, byte modRm, byte mandatory)
    {
        bool register = modRm >= 0xC0;
        int extension = modRm >> 3 & 7;
        return opcode switch
        {
            0x01 => modRm switch
            {
                0xD0 => StateInstruction.Xgetbv,
                0xD1 => StateInstruction.Xsetbv,
                0xEE => StateInstruction.Rdpkru,
                0xEF => StateInstruction.Wrpkru,
                _ => StateInstruction.None,
            },
            0xAE when !register => (extension, mandatory) switch
            {
                (4, 0xF3) or (6, 0x66) or (6, 0xF3) => StateInstruction.None,
                (0, _) => StateInstruction.Fxsave,
                (1, _) => StateInstruction.Fxrstor,
                (4, _) => StateInstruction.Xsave,
                (5, _) => StateInstruction.Xrstor,
                (6, _) => StateInstruction.Xsaveopt,
                _ => StateInstruction.None,
            },
            0xC7 => (extension, register) switch
            {
                (3, false) => StateInstruction.Xrstors,
                (4, false) => StateInstruction.Xsavec,
                (5, false) => StateInstruction.Xsaves,
                (3 or 4 or 5, true) => StateInstruction.Invalid,
                _ => StateInstruction.None,
            },
            _ => StateInstruction.None,
        };
    }
}
