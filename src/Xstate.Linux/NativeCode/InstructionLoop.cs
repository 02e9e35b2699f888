using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Executes one instruction many times on the real processor, from one register state on one area: the floor under a measurement of the
/// model.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class InstructionLoop : IDisposable
{
    private const int ImageOffset = 0;
    private const int AreaOffset = 4 * LowMemory.PageLength;
    private const int DataLength = 8 * LowMemory.PageLength;
    private readonly LowMemory _data = new(DataLength);
    private readonly LowMemory _code = new(LowMemory.PageLength);

    /// <summary>A loop of an instruction in 64-bit mode.</summary>
    /// <param name="instruction">The instruction; one that a process may execute.</param>
    /// <param name="edxEax">Its operand in EDX:EAX.</param>
    public InstructionLoop(ProbedInstruction instruction, ulong edxEax)
    {
        new XsaveAreaWriter(InitialImage).WriteMxcsr(Mxcsr.Initial);
        new XsaveAreaWriter(Area).WriteMxcsr(Mxcsr.Initial);
        Write(instruction, edxEax).CopyTo(_code.Bytes(0, LowMemory.PageLength), _code.Address);
        _code.MakeExecutable();
    }

    /// <summary>The register state, in a form that XRSTOR accepts.</summary>
    public Span<byte> InitialImage => _data.Bytes(ImageOffset, AreaOffset);

    /// <summary>The area that the instruction works on.</summary>
    public Span<byte> Area => _data.Bytes(AreaOffset, DataLength - AreaOffset);

    /// <summary>Loads the register state and executes the instruction <paramref name="count"/> times.</summary>
    public void Run(int count) =>
        ((delegate* unmanaged<byte*, byte*, long, void>)_code.Pointer)(_data.Pointer + ImageOffset, _data.Pointer + AreaOffset, count);

    /// <inheritdoc/>
    public void Dispose()
    {
        _data.Dispose();
        _code.Dispose();
    }

    private static CodeWriter Write(ProbedInstruction instruction, ulong edxEax)
    {
        CodeWriter code = new();
        code.Emit(0x53, 0x41, 0x54, 0x48, 0x83, 0xEC, 8);                    // push rbx; push r12; sub rsp, 8
        code.Emit(0x0F, 0xAE, 0x1C, 0x24);                                   // stmxcsr [rsp]
        code.Emit(0x49, 0x89, 0xD4, 0x48, 0x89, 0xFB);                       // mov r12, rdx; mov rbx, rdi
        code.Emit(0xB8, 0xFF, 0xFF, 0xF9, 0xFF, 0xBA, 0xFF, 0xFF, 0xFF, 0xFF); // mov eax, FFF9FFFFh; mov edx, FFFFFFFFh
        code.Emit(0x48, 0x0F, 0xAE, 0x2B, 0x48, 0x89, 0xF3);                 // xrstor64 [rbx]; mov rbx, rsi
        code.Label("again");
        code.Emit(0x48, 0xB8).Immediate((uint)edxEax);                       // mov rax, imm64
        code.Emit(0x48, 0xBA).Immediate(edxEax >> 32);                       // mov rdx, imm64
        code.Emit(0x31, 0xC9);                                               // xor ecx, ecx
        code.Emit(instruction.Operand == XsaveOperand.Rex64 ? [0x48] : []).Emit(instruction.Encoding);
        code.Emit(0x49, 0xFF, 0xCC, 0x0F, 0x85).Relative("again");           // dec r12; jnz again
        code.Emit(0xDB, 0xE3, 0x0F, 0xAE, 0x14, 0x24);                       // fninit; ldmxcsr [rsp]
        code.Emit(Avx.IsSupported ? [0xC5, 0xF8, 0x77] : []);                // vzeroupper
        return code.Emit(0x48, 0x83, 0xC4, 8, 0x41, 0x5C, 0x5B, 0xC3);       // add rsp, 8; pop r12; pop rbx; ret
    }
}
