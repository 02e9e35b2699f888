using System.Collections.Immutable;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>One instruction to probe: its encoding with the operand [RBX] (or [EBX]), and the mode to execute it in.</summary>
/// <param name="Instruction">The instruction.</param>
/// <param name="Operand">Whether it has REX.W.</param>
/// <param name="Is64BitMode">False for compatibility mode.</param>
internal readonly record struct ProbedInstruction(StateInstruction Instruction, XsaveOperand Operand, bool Is64BitMode)
{
    private static readonly ImmutableArray<StateInstruction> WithMemory =
    [
        StateInstruction.Xsave, StateInstruction.Xsaveopt, StateInstruction.Xsavec, StateInstruction.Xsaves, StateInstruction.Xrstor,
        StateInstruction.Xrstors, StateInstruction.Fxsave, StateInstruction.Fxrstor,
    ];

    private static readonly ImmutableArray<StateInstruction> WithoutMemory =
        [StateInstruction.Xgetbv, StateInstruction.Xsetbv, StateInstruction.Rdpkru, StateInstruction.Wrpkru];

    /// <summary>Every instruction in every mode and form that a process can execute.</summary>
    public static ImmutableArray<ProbedInstruction> All { get; } =
    [
        .. WithMemory.Select(instruction => new ProbedInstruction(instruction, XsaveOperand.Rex64, true)),
        .. WithMemory.Select(instruction => new ProbedInstruction(instruction, XsaveOperand.Legacy, true)),
        .. WithMemory.Select(instruction => new ProbedInstruction(instruction, XsaveOperand.Legacy, false)),
        .. WithoutMemory.Select(instruction => new ProbedInstruction(instruction, XsaveOperand.Legacy, true)),
        .. WithoutMemory.Select(instruction => new ProbedInstruction(instruction, XsaveOperand.Legacy, false)),
    ];

    /// <summary>Whether the instruction has a memory operand.</summary>
    public bool AccessesMemory => WithMemory.Contains(Instruction);

    /// <summary>Whether the instruction writes memory.</summary>
    public bool IsSave => Instruction is StateInstruction.Xsave or StateInstruction.Xsaveopt or StateInstruction.Xsavec
        or StateInstruction.Xsaves
        or StateInstruction.Fxsave;

    /// <inheritdoc/>
    public override string ToString() =>
        $"{Instruction.ToString().ToUpperInvariant()}{(Operand == XsaveOperand.Rex64 ? "64" : "")}"
        + (Is64BitMode ? "" : " in compatibility mode");

    internal ReadOnlySpan<byte> Encoding => Instruction switch
    {
        StateInstruction.Xsave => [0x0F, 0xAE, 0x23],
        StateInstruction.Xsaveopt => [0x0F, 0xAE, 0x33],
        StateInstruction.Xsavec => [0x0F, 0xC7, 0x23],
        StateInstruction.Xsaves => [0x0F, 0xC7, 0x2B],
        StateInstruction.Xrstor => [0x0F, 0xAE, 0x2B],
        StateInstruction.Xrstors => [0x0F, 0xC7, 0x1B],
        StateInstruction.Fxsave => [0x0F, 0xAE, 0x03],
        StateInstruction.Fxrstor => [0x0F, 0xAE, 0x0B],
        StateInstruction.Xgetbv => [0x0F, 0x01, 0xD0],
        StateInstruction.Xsetbv => [0x0F, 0x01, 0xD1],
        StateInstruction.Rdpkru => [0x0F, 0x01, 0xEE],
        StateInstruction.Wrpkru => [0x0F, 0x01, 0xEF],
        _ => throw new InvalidOperationException($"{Instruction} cannot be probed"),
    };
}

/// <summary>
/// Writes the code around a probed instruction: load a register state, execute, note what came out, save the register state, and leave the
/// processor as a C caller expects it.
/// </summary>
internal static class ProbeCode
{
    public static CodeWriter Write(ProbedInstruction probed, bool readsInUse, bool hasAvx, bool hasPkru)
    {
        CodeWriter code = new();
        code.Emit(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);  // push rbx, rbp, r12 to r15
        code.Emit(0x48, 0x83, 0xEC, 24);                                        // sub rsp, 24
        code.Emit(0x49, 0x89, 0xFF);                                            // mov r15, rdi
        code.Emit(0x49, 0x89, 0xE5);                                            // mov r13, rsp
        code.Emit(0x0F, 0xAE, 0x1C, 0x24);                                      // stmxcsr [rsp]
        code.Emit(0x4C, 0x8D, 0x35).Relative("recovery");                       // lea r14, [recovery]
        if (hasPkru)
        {
            code.Emit(0x31, 0xC9, 0x0F, 0x01, 0xEE);                            // xor ecx, ecx; rdpkru
            code.Emit(0x89, 0x44, 0x24, 8);                                     // mov [rsp+8], eax
        }

        Everything(code, ProbeRecord.InitialImage);
        code.Emit(0x48, 0x0F, 0xAE, 0x2B);                                      // xrstor64 [rbx]
        code.Emit(0x9C, 0x49, 0x8B, 0x47, ProbeRecord.Flags);                   // pushfq; mov rax, [r15+Flags]
        code.Emit(0x48, 0x09, 0x04, 0x24, 0x9D);                                // or [rsp], rax; popfq
        code.Emit(0x49, 0x8B, 0x5F, ProbeRecord.Memory);                        // mov rbx, [r15+Memory]
        if (!probed.Is64BitMode)
        {
            code.Emit(0xB8, 0x2B, 0, 0, 0, 0x8E, 0xD8);                         // mov eax, 2Bh; mov ds, eax
            code.Emit(0x48, 0x8D, 0x2D).Relative("compatibility");              // lea rbp, [compatibility]
            code.Emit(0x89, 0x6C, 0x24, 16);                                    // mov [rsp+16], ebp
            code.Emit(0x66, 0xC7, 0x44, 0x24, 20, 0x23, 0);                     // mov word [rsp+20], 23h
        }

        code.Emit(0x49, 0x8B, 0x47, ProbeRecord.Rax);                           // mov rax, [r15+Rax]
        code.Emit(0x49, 0x8B, 0x57, ProbeRecord.Rdx);                           // mov rdx, [r15+Rdx]
        code.Emit(0x49, 0x8B, 0x4F, ProbeRecord.Rcx);                           // mov rcx, [r15+Rcx]
        if (probed.Is64BitMode)
        {
            code.Emit(probed.Operand == XsaveOperand.Rex64 ? [0x48] : []).Emit(probed.Encoding);
        }
        else
        {
            // Not a far return: QEMU's TCG reads the stack for it as the supervisor would, which SMAP forbids.
            code.Emit(0xFF, 0x6C, 0x24, 16);                                    // jmp far [rsp+16]
            code.Label("compatibility").Emit(probed.Encoding);
            code.Emit(0xEA).Absolute("recovery").Emit(0x33, 0);                 // jmp 33h:recovery
        }

        // Compatibility mode may lose the upper half of RSP, but not R13.
        code.Label("recovery");
        code.Emit(0x4C, 0x89, 0xEC);                                            // mov rsp, r13
        code.Emit(0x49, 0x89, 0x47, ProbeRecord.RaxAfter);                      // mov [r15+RaxAfter], rax
        code.Emit(0x49, 0x89, 0x57, ProbeRecord.RdxAfter);                      // mov [r15+RdxAfter], rdx
        code.Emit(0x9C, 0x81, 0x24, 0x24, 0xFF, 0xFF, 0xFB, 0xFF, 0x9D);        // pushfq; and dword [rsp], ~AC; popfq
        code.Emit(0x31, 0xC0, 0x8E, 0xD8);                                      // xor eax, eax; mov ds, eax
        if (readsInUse)
        {
            code.Emit(0xB9, 1, 0, 0, 0, 0x0F, 0x01, 0xD0);                      // mov ecx, 1; xgetbv
            code.Emit(0x49, 0x89, 0x47, ProbeRecord.InUseLow);                  // mov [r15+InUseLow], rax
            code.Emit(0x49, 0x89, 0x57, ProbeRecord.InUseHigh);                 // mov [r15+InUseHigh], rdx
        }

        Everything(code, ProbeRecord.FinalImage);
        code.Emit(0x48, 0x0F, 0xAE, 0x23);                                      // xsave64 [rbx]
        code.Emit(0x49, 0x8B, 0x5F, ProbeRecord.FinalEnvironment);              // mov rbx, [r15+FinalEnvironment]
        code.Emit(0xD9, 0x33);                                                  // fnstenv [rbx]
        if (hasPkru)
        {
            code.Emit(0x31, 0xC9, 0x0F, 0x01, 0xEE);                            // xor ecx, ecx; rdpkru
            code.Emit(0x49, 0x89, 0x47, ProbeRecord.Pkru);                      // mov [r15+Pkru], rax
            code.Emit(0x8B, 0x44, 0x24, 8, 0x31, 0xC9, 0x31, 0xD2);             // mov eax, [rsp+8]; xor ecx, ecx; xor edx, edx
            code.Emit(0x0F, 0x01, 0xEF);                                        // wrpkru
        }

        // Tiles are released as XRSTOR does it; where XCR0 lacks them this does nothing.
        code.Emit(0x49, 0x8D, 0x9F, 0, ProbeRecord.InitialArea >> 8, 0, 0);     // lea rbx, [r15+InitialArea]
        code.Emit(0xB8, 0, 0, 6, 0, 0x31, 0xD2, 0x48, 0x0F, 0xAE, 0x2B);        // mov eax, 60000h; xor edx, edx; xrstor64 [rbx]
        code.Emit(0xDB, 0xE3, 0x0F, 0xAE, 0x14, 0x24);                          // fninit; ldmxcsr [rsp]
        code.Emit(hasAvx ? [0xC5, 0xF8, 0x77] : []);                            // vzeroupper
        code.Emit(0xFC, 0x48, 0x83, 0xC4, 24);                                  // cld; add rsp, 24
        code.Emit(0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B);  // pop r15 to r12, rbp, rbx
        return code.Emit(0xC3);
    }

    // Every component but tiles, which a process may not touch without permission from the kernel.
    private static void Everything(CodeWriter code, byte image)
    {
        code.Emit(0x49, 0x8B, 0x5F, image);                                     // mov rbx, [r15+image]
        code.Emit(0x41, 0x8B, 0x87, ProbeRecord.ManagedLow, 0, 0, 0);           // mov eax, [r15+ManagedLow]
        code.Emit(0x41, 0x8B, 0x97, ProbeRecord.ManagedHigh, 0, 0, 0);          // mov edx, [r15+ManagedHigh]
    }
}
