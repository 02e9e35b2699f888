namespace Xstate.Processor;

/// <summary>From what the bytes of an instruction encode to the instruction.</summary>
internal static class InstructionDispatch
{
    public static Fault Execute(ProcessorState cpu, InstructionEncoding instruction, Span<byte> memory, ulong address, uint ecx,
        ref ulong edxEax)
    {
        XsaveOperand operand = instruction.Operand;
        return instruction.Instruction switch
        {
            StateInstruction.Xsave => Instructions.Xsave(cpu, memory, address, edxEax, operand),
            StateInstruction.Xsaveopt => Instructions.Xsaveopt(cpu, memory, address, edxEax, operand),
            StateInstruction.Xsavec => Instructions.Xsavec(cpu, memory, address, edxEax, operand),
            StateInstruction.Xsaves => Instructions.Xsaves(cpu, memory, address, edxEax, operand),
            StateInstruction.Xrstor => Instructions.Xrstor(cpu, memory, address, edxEax, operand),
            StateInstruction.Xrstors => Instructions.Xrstors(cpu, memory, address, edxEax, operand),
            StateInstruction.Fxsave => Instructions.Fxsave(cpu, memory, address, operand),
            StateInstruction.Fxrstor => Instructions.Fxrstor(cpu, memory, address, operand),
            StateInstruction.Xsetbv => Instructions.Xsetbv(cpu, ecx, edxEax),
            StateInstruction.Wrpkru => Instructions.Wrpkru(cpu, ecx, edxEax),
            StateInstruction.Xgetbv => WithResult(Instructions.Xgetbv(cpu, ecx, out ulong value), value, ref edxEax),
            StateInstruction.Rdpkru => WithResult(Instructions.Rdpkru(cpu, ecx, out ulong value), value, ref edxEax),
            _ => Fault.InvalidOpcode,
        };
    }

    private static Fault WithResult(Fault fault, ulong value, ref ulong edxEax)
    {
        if (!fault.IsFault)
        {
            edxEax = value;
        }

        return fault;
    }
}
