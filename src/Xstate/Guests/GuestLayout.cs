using System.Buffers.Binary;

namespace Xstate.Guests;

/// <summary>
/// The machine around a guest's code, the same for the model and for a real KVM: where everything lies in physical memory, which is also
/// where it lies linearly, and how a fault is found afterwards. Every vector has a handler that is one HLT, so that the address at which
/// the processor stopped names the vector.
/// </summary>
internal static class GuestLayout
{
    /// <summary>Bytes of guest memory.</summary>
    public const int MemoryLength = 0x4_0000;

    /// <summary>Where code starts.</summary>
    public const int CodeAddress = 0x1000;

    /// <summary>The most bytes that code may have.</summary>
    public const int MaxCodeLength = StackBottom - CodeAddress - TerminatorLength;

    /// <summary>Memory that scenarios may use as they like; it stays from one guest step to the next.</summary>
    public const int DataAddress = 0x8000;

    /// <summary>Where the data ends. In long mode the page at <c>0x8000 + 0x1000 k</c> has protection key k.</summary>
    public const int DataEnd = 0x1_0000;

    /// <summary>Initial stack pointer of code.</summary>
    public const int StackTop = 0x7800;

    /// <summary>Selector of the 64-bit code segment of CPL 0.</summary>
    public const ushort KernelCode = 0x08;

    /// <summary>Selector of the data segment of CPL 0.</summary>
    public const ushort KernelData = 0x10;

    /// <summary>Selector of the 64-bit code segment of CPL 3.</summary>
    public const ushort UserCode = 0x1B;

    /// <summary>Selector of the data segment of CPL 3.</summary>
    public const ushort UserData = 0x23;

    /// <summary>Selector of the task state segment.</summary>
    public const ushort TaskState = 0x28;

    /// <summary>Linear address of the global descriptor table.</summary>
    public const int DescriptorTable = 0x800;

    /// <summary>Last offset in the global descriptor table.</summary>
    public const ushort DescriptorTableLimit = 0x37;

    /// <summary>Linear address of the task state segment.</summary>
    public const int TaskStateAddress = 0x880;

    /// <summary>Last offset in the task state segment.</summary>
    public const ushort TaskStateLimit = 0x67;

    /// <summary>Linear address of the interrupt descriptor table of long mode.</summary>
    public const int InterruptTable = 0x1_0000;

    /// <summary>Last offset in the interrupt descriptor table.</summary>
    public const ushort InterruptTableLimit = 0xFFF;

    /// <summary>Last offset in the interrupt vectors of real mode, which lie at 0.</summary>
    public const ushort RealInterruptTableLimit = 0x3FF;

    /// <summary>Physical address of the highest page table, for CR3.</summary>
    public const int PageTables = 0x1_2000;

    private const int StackBottom = 0x7000;
    private const int TerminatorLength = 2;
    private const int VectorCount = 256;
    private const int PageLength = 0x1000;
    private const int RealHandlers = 0x400;
    private const int LongHandlers = 0x1_1000;
    private const int HandlerLength = 4;
    private const int FaultStackTop = 0x8000;
    private const byte EndVector = 0x80;
    private const byte Hlt = 0xF4;
    private const byte Int = 0xCD;

    // TSS64: RSP0 at 4, IST1 at 36, the I/O map base at 102.
    private const int TaskStateRsp0 = 4;
    private const int TaskStateIst1 = 36;
    private const int TaskStateIoMap = 102;
    private const ulong Present = 1;
    private const ulong Writable = 2;
    private const ulong User = 4;
    private const ulong AccessedDirty = 0x60;
    private const int KeyShift = 59;

    /// <summary>Writes tables, handlers and code. The data area is not touched.</summary>
    /// <param name="memory">Guest memory from physical address 0 on.</param>
    /// <param name="program">The code.</param>
    /// <exception cref="ArgumentException">The code does not fit.</exception>
    public static void Write(Span<byte> memory, GuestProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        if (program.Code.Length > MaxCodeLength)
        {
            throw new ArgumentException($"guest code has at most {MaxCodeLength} bytes, not {program.Code.Length}", nameof(program));
        }

        memory[..DataAddress].Clear();
        memory[DataEnd..].Clear();
        program.Code.Span.CopyTo(memory[CodeAddress..]);

        // Behind the last instruction: HLT is not for CPL 3, where an interrupt that is allowed leads to one.
        ReadOnlySpan<byte> terminator = program.Cpl == 0 ? [Hlt] : [Int, EndVector];
        terminator.CopyTo(memory[(CodeAddress + program.Code.Length)..]);
        if (program.Mode == GuestMode.Real)
        {
            WriteRealVectors(memory);
        }
        else
        {
            WriteDescriptors(memory);
            WriteGates(memory);
            WritePages(memory, program.Cpl == 3 ? CodeAddress : program.UserData ? DataAddress : DataEnd);
        }
    }

    /// <summary>
    /// The control registers with which code starts: those that the virtual CPU has, with what the mode needs. CR0.TS, CR4.OSXSAVE and the
    /// like stay as they were set.
    /// </summary>
    public static (ulong Cr0, ulong Cr3, ulong Cr4, ulong Efer) StartRegisters(GuestMode mode, ulong cr0, ulong cr3, ulong cr4, ulong efer)
    {
        const ulong CacheBits = 3UL << 29;
        const ulong ProtectionAndPaging = 1UL << 31 | 1;
        const ulong AlwaysOn = 1UL << 4;
        const ulong PhysicalAddressExtension = 1UL << 5;
        const ulong LongMode = 1UL << 8 | 1UL << 10;
        return mode == GuestMode.Real
            ? (cr0 & ~(CacheBits | ProtectionAndPaging) | AlwaysOn, cr3, cr4, efer & ~LongMode)
            : (cr0 & ~CacheBits | ProtectionAndPaging | AlwaysOn, PageTables, cr4 | PhysicalAddressExtension, efer | LongMode);
    }

    /// <summary>Whether a processor that executed HLT stopped in the handler of a fault, and of which one.</summary>
    /// <param name="memory">Guest memory.</param>
    /// <param name="mode">The mode.</param>
    /// <param name="rip">RIP behind the HLT.</param>
    /// <param name="rsp">RSP.</param>
    /// <returns>The fault, or null when the code came to its own end.</returns>
    public static string? FaultAt(ReadOnlySpan<byte> memory, GuestMode mode, ulong rip, ulong rsp)
    {
        int handlers = mode == GuestMode.Real ? RealHandlers : LongHandlers;
        ulong offset = rip - 1 - (ulong)handlers;
        if (offset >= VectorCount * HandlerLength || offset % HandlerLength != 0)
        {
            return null;
        }

        int vector = (int)offset / HandlerLength;
        uint code = mode == GuestMode.Long && ExceptionVectors.HasErrorCode(vector) && rsp <= (ulong)(memory.Length - sizeof(uint))
            ? BinaryPrimitives.ReadUInt32LittleEndian(memory[(int)rsp..])
            : 0;
        return vector == EndVector ? null : ExceptionVectors.Describe(vector, code);
    }

    private static void WriteRealVectors(Span<byte> memory)
    {
        for (int vector = 0; vector < VectorCount; vector++)
        {
            int handler = RealHandlers + (vector * HandlerLength);
            BinaryPrimitives.WriteUInt32LittleEndian(memory[(vector * 4)..], (uint)handler);
            memory[handler] = Hlt;
        }
    }

    private static void WriteDescriptors(Span<byte> memory)
    {
        // Present, code or data; L for code; DPL in bits 45 and 46. Base and limit of the TSS are spread over its sixteen bytes.
        ReadOnlySpan<ulong> descriptors =
        [
            0,
            0x00AF_9B00_0000_FFFF,
            0x00CF_9300_0000_FFFF,
            0x00AF_FB00_0000_FFFF,
            0x00CF_F300_0000_FFFF,
            0x0000_8B00_0000_0000 | TaskStateLimit | (ulong)TaskStateAddress << 16,
            0,
        ];
        for (int i = 0; i < descriptors.Length; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(memory[(DescriptorTable + (i * sizeof(ulong)))..], descriptors[i]);
        }

        Span<byte> task = memory[TaskStateAddress..];
        BinaryPrimitives.WriteUInt64LittleEndian(task[TaskStateRsp0..], FaultStackTop);
        BinaryPrimitives.WriteUInt64LittleEndian(task[TaskStateIst1..], FaultStackTop);
        BinaryPrimitives.WriteUInt16LittleEndian(task[TaskStateIoMap..], TaskStateLimit + 1);
    }

    private static void WriteGates(Span<byte> memory)
    {
        for (int vector = 0; vector < VectorCount; vector++)
        {
            // An interrupt gate with IST 1: a stack of its own, whatever RSP is. INT 3 and the end are open to CPL 3.
            ulong handler = LongHandlers + (ulong)(vector * HandlerLength);
            ulong dpl = vector is 3 or EndVector ? 3UL : 0;
            ulong low = handler & 0xFFFF | (ulong)KernelCode << 16 | 1UL << 32 | 0x8E00UL << 32 | dpl << 45
                | (handler >> 16 & 0xFFFF) << 48;
            BinaryPrimitives.WriteUInt64LittleEndian(memory[(InterruptTable + (vector * 16))..], low);
            memory[(int)handler] = Hlt;
        }
    }

    private static void WritePages(Span<byte> memory, int firstUserPage)
    {
        const ulong Table = Present | Writable | User | AccessedDirty;
        for (int level = 0; level < 3; level++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(memory[(PageTables + (level * PageLength))..],
                (ulong)(PageTables + ((level + 1) * PageLength)) | Table);
        }

        for (int page = 0; page < MemoryLength / PageLength; page++)
        {
            int address = page * PageLength;
            bool user = address >= firstUserPage && address < DataEnd;
            ulong key = address is >= DataAddress and < DataEnd ? (ulong)(address - DataAddress) / PageLength : 0;
            ulong entry = (ulong)address | Present | Writable | AccessedDirty | (user ? User : 0) | key << KeyShift;
            BinaryPrimitives.WriteUInt64LittleEndian(memory[(PageTables + (3 * PageLength) + (page * sizeof(ulong)))..], entry);
        }
    }
}
