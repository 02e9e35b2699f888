using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Linux.Interop;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Executes a few bytes of ordinary code on the real processor: from general registers, flags and extended state of the caller's, on
/// memory of the caller's, with any fault caught. All sixteen general
/// registers belong to the code, so that the record of a case has a fixed address, and there is one probe in a process. One thread uses
/// it at a time.
/// </summary>
[SupportedOSPlatform("linux")]
[SuppressMessage("Design", "CA1001:Types that own disposable fields should be disposable",
    Justification = "There is one, and its memory holds a signal handler's code until the process ends.")]
internal sealed unsafe class CodeProbe
{
    /// <summary>The most bytes of code.</summary>
    public const int MaxCodeLength = 48;

    /// <summary>Bytes of data.</summary>
    public const int DataLength = 2 * LowMemory.PageLength;

    private const int CodeOffset = 0;
    private const int HandlerOffset = LowMemory.PageLength;
    private const int RecordOffset = 2 * LowMemory.PageLength;
    private const int InitialOffset = 3 * LowMemory.PageLength;
    private const int FinalOffset = InitialOffset + ImageLength;
    private const int DataOffset = FinalOffset + ImageLength;
    private const int ImageLength = LowMemory.PageLength;
    private const int TotalLength = DataOffset + DataLength + LowMemory.PageLength;
    private const int RegisterCount = 16;
    private const int EnvironmentLength = 28;

    // The record. What the fault handler writes lies where it does in the other probe's record.
    private const int RegistersBefore = 256;
    private const int FlagsBefore = 384;
    private const int RegistersAfter = 512;
    private const int FlagsAfter = 640;
    private const int StackOfCaller = 648;
    private const int MxcsrOfCaller = 656;
    private const int Environment = 704;

    private static readonly Lock Once = new();
    private static CodeProbe? _only;

    private readonly LowMemory _memory;
    private readonly int _slot;

    private CodeProbe(LowMemory memory)
    {
        _memory = memory;
        StateComponentSet legacyToAvx512 = new(0xE7);
        using InstructionProbe probe = new();
        Managed = probe.Managed & legacyToAvx512;
        CodeWriter code = new();
        _slot = WritePrologue(code);
        for (int i = 0; i < MaxCodeLength; i++)
        {
            code.Emit(Nop);
        }

        int recovery = code.Length;
        WriteEpilogue(code);
        code.CopyTo(_memory.Bytes(CodeOffset, LowMemory.PageLength), _memory.Address);
        (ulong Record, ulong Recovery) place = (_memory.Address + RecordOffset, _memory.Address + (ulong)recovery);
        FaultCatcher.Write(_memory, HandlerOffset, _memory.Address, code.Length, place);
        _memory.MakeChangeableCode(0, 2 * LowMemory.PageLength);
        FaultCatcher.Activate(_memory, HandlerOffset);
    }

    /// <summary>The probe. Its handlers stay in force for the life of the process.</summary>
    public static CodeProbe Instance
    {
        get
        {
            lock (Once)
            {
                return _only ??= new CodeProbe(new LowMemory(TotalLength));
            }
        }
    }

    /// <summary>The components that the images hold.</summary>
    public StateComponentSet Managed { get; }

    /// <summary>The address of the first byte of the code.</summary>
    public ulong CodeAddress => _memory.Address + (ulong)_slot;

    /// <summary>Where <see cref="Whole"/> begins.</summary>
    public ulong Address => _memory.Address;

    /// <summary>Everything from the code to the data: what the model needs at the same addresses.</summary>
    public Span<byte> Whole => _memory.Bytes(0, TotalLength);

    /// <summary>The data that code works on.</summary>
    public Span<byte> Data => _memory.Bytes(DataOffset, DataLength);

    /// <summary>Offset of the data in <see cref="Whole"/>.</summary>
    public static int DataOffsetInWhole => DataOffset;

    /// <summary>The extended state to start from: an area in the standard format that XRSTOR accepts.</summary>
    public Span<byte> InitialImage => _memory.Bytes(InitialOffset, ImageLength);

    /// <summary>The extended state afterwards, as XSAVE64 stored it.</summary>
    public ReadOnlySpan<byte> FinalImage => _memory.Bytes(FinalOffset, ImageLength);

    /// <summary>The x87 environment afterwards.</summary>
    public ReadOnlySpan<byte> FinalEnvironment => _memory.Bytes(RecordOffset + Environment, EnvironmentLength);

    /// <summary>RFLAGS afterwards.</summary>
    public ulong Flags => Read(FlagsAfter);

    /// <summary>A general register afterwards, by number.</summary>
    public ulong Register(int number) => Read(RegistersAfter + (number * sizeof(ulong)));

    /// <summary>Puts code in place.</summary>
    public void SetCode(ReadOnlySpan<byte> code)
    {
        Span<byte> slot = _memory.Bytes(_slot, MaxCodeLength);
        code.CopyTo(slot);
        slot[code.Length..].Fill(Nop);
    }

    /// <summary>Executes it.</summary>
    public Fault Execute(ReadOnlySpan<ulong> registers, ulong flags)
    {
        for (int i = 0; i < RegisterCount; i++)
        {
            Write(RegistersBefore + (i * sizeof(ulong)), registers[i]);
        }

        Write(FlagsBefore, flags);
        Write(ProbeRecord.Vector, 0);
        using (new DeferredSignals(FaultCatcher.Signals))
        {
            ((delegate* unmanaged<void>)_memory.Pointer)();
        }

        FaultVector vector = (FaultVector)Read(ProbeRecord.Vector);
        ulong address = vector == FaultVector.PageFault ? Read(ProbeRecord.Cr2) : 0;
        return vector == FaultVector.None ? Fault.None : new Fault(vector, (uint)Read(ProbeRecord.ErrorCode), address);
    }

    private const byte Nop = 0x90;

    private int WritePrologue(CodeWriter code)
    {
        code.Emit(0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57);  // push rbx, rbp, r12 to r15
        Absolute(code.Emit(0x48, 0x89, 0x24, 0x25), StackOfCaller);             // mov [StackOfCaller], rsp
        Absolute(code.Emit(0x0F, 0xAE, 0x1C, 0x25), MxcsrOfCaller);             // stmxcsr [MxcsrOfCaller]
        Mask(code);
        Absolute(code.Emit(0x48, 0x0F, 0xAE, 0x2C, 0x25), InitialOffset - RecordOffset);   // xrstor64 [InitialImage]
        Absolute(code.Emit(0xFF, 0x34, 0x25), FlagsBefore).Emit(0x9D);          // push [FlagsBefore]; popfq
        for (int i = 0; i < RegisterCount; i++)
        {
            // mov r, [RegistersBefore+8i]
            Absolute(code.Emit((byte)(i < 8 ? 0x48 : 0x4C), 0x8B, (byte)(4 | (i & 7) << 3), 0x25), RegistersBefore + (i * sizeof(ulong)));
        }

        return code.Length;
    }

    private void WriteEpilogue(CodeWriter code)
    {
        for (int i = 0; i < RegisterCount; i++)
        {
            // mov [RegistersAfter+8i], r
            Absolute(code.Emit((byte)(i < 8 ? 0x48 : 0x4C), 0x89, (byte)(4 | (i & 7) << 3), 0x25), RegistersAfter + (i * sizeof(ulong)));
        }

        Absolute(code.Emit(0x48, 0x8B, 0x24, 0x25), StackOfCaller);             // mov rsp, [StackOfCaller]
        Absolute(code.Emit(0x9C, 0x8F, 0x04, 0x25), FlagsAfter);                // pushfq; pop [FlagsAfter]
        code.Emit(0x6A, 2, 0x9D);                                               // push 2; popfq
        Mask(code);
        Absolute(code.Emit(0x48, 0x0F, 0xAE, 0x24, 0x25), FinalOffset - RecordOffset);     // xsave64 [FinalImage]
        Absolute(code.Emit(0xD9, 0x34, 0x25), Environment);                     // fnstenv [Environment]
        code.Emit(0xDB, 0xE3);                                                  // fninit
        Absolute(code.Emit(0x0F, 0xAE, 0x14, 0x25), MxcsrOfCaller);             // ldmxcsr [MxcsrOfCaller]
        code.Emit(Avx.IsSupported ? [0xC5, 0xF8, 0x77] : []);                   // vzeroupper
        code.Emit(0x41, 0x5F, 0x41, 0x5E, 0x41, 0x5D, 0x41, 0x5C, 0x5D, 0x5B, 0xC3);       // pop r15 to r12, rbp, rbx; ret
    }

    private void Mask(CodeWriter code)
    {
        Span<byte> mask = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(mask, (uint)Managed.Bits);
        code.Emit(0xB8).Emit(mask).Emit(0x31, 0xD2);                            // mov eax, mask; xor edx, edx
    }

    private CodeWriter Absolute(CodeWriter code, int offset)
    {
        Span<byte> address = stackalloc byte[sizeof(uint)];
        BinaryPrimitives.WriteUInt32LittleEndian(address, (uint)(_memory.Address + (ulong)(RecordOffset + offset)));
        return code.Emit(address);
    }

    private ulong Read(int offset) => BinaryPrimitives.ReadUInt64LittleEndian(_memory.Bytes(RecordOffset + offset, sizeof(ulong)));

    private void Write(int offset, ulong value) =>
        BinaryPrimitives.WriteUInt64LittleEndian(_memory.Bytes(RecordOffset + offset, sizeof(ulong)), value);
}
