using System.Buffers.Binary;
using Xstate.Linux.NativeCode;

namespace Xstate.Linux.Tracing;

/// <summary>
/// A program of a few instructions as an ELF file, for a child whose every register the tracer decides. It has no library, allocates
/// nothing and does nothing by itself but sleep; each routine ends in INT3, where the tracer has it back.
/// </summary>
internal static class ChildProgram
{
    /// <summary>Zeroed, writable memory of the program.</summary>
    public const ulong Data = 0x1000_0000;

    /// <summary>Its length: more than the largest area.</summary>
    public const int DataLength = 1 << 16;

    /// <summary>SYSCALL.</summary>
    public const ulong Syscall = Code + RoutineLength;

    /// <summary>XRSTOR64 from RDI with EDX:EAX.</summary>
    public const ulong Xrstor = Code + (2 * RoutineLength);

    /// <summary>XSAVE64 to RDI with EDX:EAX.</summary>
    public const ulong Xsave = Code + (3 * RoutineLength);

    /// <summary>RDPKRU with ECX, which must be 0.</summary>
    public const ulong Rdpkru = Code + (4 * RoutineLength);

    /// <summary>XGETBV with ECX.</summary>
    public const ulong Xgetbv = Code + (5 * RoutineLength);

    /// <summary>The signal handler: it hands over to the tracer at once and then returns.</summary>
    public const ulong Handler = Code + (6 * RoutineLength);

    /// <summary>What the handler returns to: sigreturn.</summary>
    public const ulong Restorer = Code + (7 * RoutineLength);

    /// <summary>Where the program is while a signal is delivered, and again behind sigreturn.</summary>
    public const ulong Landing = Code + (8 * RoutineLength);

    private const int RoutineLength = 64;
    private const int ElfHeaderLength = 64;
    private const int ProgramHeaderLength = 56;
    private const int ProgramHeaders = 3;
    private const int CodeOffset = 256;
    private const ulong Image = 0x40_0000;
    private const ulong Code = Image + CodeOffset;

    /// <summary>The file.</summary>
    public static byte[] Write()
    {
        CodeWriter[] routines =
        [
            // prctl(PR_SET_PDEATHSIG, SIGKILL), so that it never outlives who started it; then pause() for ever.
            new CodeWriter().Emit(0xBF, 1, 0, 0, 0, 0xBE, 9, 0, 0, 0, 0xB8, 157, 0, 0, 0, 0x0F, 0x05, 0xB8, 34, 0, 0, 0, 0x0F, 0x05, 0xEB,
                0xF7),
            new CodeWriter().Emit(0x0F, 0x05, 0xCC),
            new CodeWriter().Emit(0x48, 0x0F, 0xAE, 0x2F, 0xCC),
            new CodeWriter().Emit(0x48, 0x0F, 0xAE, 0x27, 0xCC),
            new CodeWriter().Emit(0x0F, 0x01, 0xEE, 0xCC),
            new CodeWriter().Emit(0x0F, 0x01, 0xD0, 0xCC),
            new CodeWriter().Emit(0xCC, 0xC3),
            new CodeWriter().Emit(0xB8, 15, 0, 0, 0, 0x0F, 0x05),
            new CodeWriter().Emit(0xCC, 0xEB, 0xFD),
        ];
        byte[] file = new byte[CodeOffset + (routines.Length * RoutineLength)];
        for (int i = 0; i < routines.Length; i++)
        {
            routines[i].CopyTo(file.AsSpan(CodeOffset + (i * RoutineLength), RoutineLength), Code + (ulong)(i * RoutineLength));
        }

        WriteElfHeader(file);
        WriteProgramHeader(file, 0, type: 1, flags: 5, Image, (ulong)file.Length, (ulong)file.Length);
        WriteProgramHeader(file, 1, type: 1, flags: 6, Data, 0, DataLength);

        // PT_GNU_STACK: a stack that is not executable.
        WriteProgramHeader(file, 2, type: 0x6474_E551, flags: 6, 0, 0, 0);
        return file;
    }

    private static void WriteElfHeader(Span<byte> file)
    {
        // 64-bit, little endian, System V; an executable for x86-64.
        ReadOnlySpan<byte> identity = [0x7F, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1];
        identity.CopyTo(file);
        BinaryPrimitives.WriteUInt16LittleEndian(file[16..], 2);
        BinaryPrimitives.WriteUInt16LittleEndian(file[18..], 62);
        BinaryPrimitives.WriteUInt32LittleEndian(file[20..], 1);
        BinaryPrimitives.WriteUInt64LittleEndian(file[24..], Code);
        BinaryPrimitives.WriteUInt64LittleEndian(file[32..], ElfHeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(file[52..], ElfHeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(file[54..], ProgramHeaderLength);
        BinaryPrimitives.WriteUInt16LittleEndian(file[56..], ProgramHeaders);
    }

    private static void WriteProgramHeader(Span<byte> file, int index, uint type, uint flags, ulong address, ulong inFile, ulong inMemory)
    {
        Span<byte> header = file[(ElfHeaderLength + (index * ProgramHeaderLength))..];
        BinaryPrimitives.WriteUInt32LittleEndian(header, type);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], flags);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], address);
        BinaryPrimitives.WriteUInt64LittleEndian(header[32..], inFile);
        BinaryPrimitives.WriteUInt64LittleEndian(header[40..], inMemory);
        BinaryPrimitives.WriteUInt64LittleEndian(header[48..], 4096);
    }
}
