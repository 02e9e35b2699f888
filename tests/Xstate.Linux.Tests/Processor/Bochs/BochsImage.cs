using System.Buffers.Binary;
using Iced.Intel;
using static Iced.Intel.AssemblerRegisters;
using Cr0 = Xstate.Processor.Cr0;
using Cr4 = Xstate.Processor.Cr4;

namespace Xstate.Linux.Tests.Processor.Bochs;

/// <summary>
/// What Bochs boots instead of a BIOS: a ROM that goes from reset straight to 64-bit mode, and the memory that it finds there, with all
/// tables and the program. The program reads one case after the other from the first disk and sends over the first serial port what CPUID
/// answers, then for each case a checksum of all that came of it, or all of it. INIT ends at the reset vector: the ROM then finds in
/// memory, which INIT leaves alone, that a case was under way.
/// </summary>
internal static class BochsImage
{
    public const int RomLength = 0x1_0000;
    public const uint RomAddress = 0xFFFF_0000;
    public const uint MemoryAddress = 0x10_0000;
    public const uint Exec = 0x10_7000;

    /// <summary>Where a case is while it is executed. What is loaded at 1 MiB stays below 128 KiB: Bochs 2.7 misplaces the rest.</summary>
    public const uint Case = MemoryAddress + 0x1_0000;

    /// <summary>What ends the output.</summary>
    public const string EndMark = "END!";

    public const ulong BaseCr0 = (ulong)(Cr0.ProtectionEnable | Cr0.ExtensionType | Cr0.NumericError | Cr0.WriteProtect | Cr0.Paging);
    public const ulong BaseCr4 = (ulong)(Cr4.PhysicalAddressExtension | Cr4.OsFxsr | Cr4.OsXsave) | OsXmmExcpt;

    /// <summary>Selectors; the two lowest bits are the privilege level.</summary>
    public const int KernelCode = 0x08;
    public const int KernelData = 0x10;
    public const int KernelCode32 = 0x18;
    public const int UserCode32 = 0x23;
    public const int UserData = 0x2B;
    public const int UserCode = 0x33;

    private const ulong OsXmmExcpt = 1 << 10;
    private const int TaskState = 0x38;
    private const int SystemCall = 0x80;
    private const int VideoRomLength = 2048;

    // Below 1 MiB, where the ROM's 16-bit code reaches: the control registers that reset or INIT left.
    private const int LeftCr0 = 0x500;
    private const int LeftCr4 = 0x504;
    private const int LeftEfer = 0x508;
    private const uint UserStack = 0x5_0000;
    private const uint TrapStack = 0x6_0000;
    private const uint KernelStack = 0x7_0000;
    private const uint Result = 0x2_0000;
    private const uint Scratch = 0x2_2000;

    // The memory that is loaded at 1 MiB.
    private const uint NextSector = MemoryAddress;
    private const uint Left = MemoryAddress + 8;
    private const uint State = MemoryAddress + 16;
    private const uint Verbose = MemoryAddress + 24;
    private const uint IdtPointer = MemoryAddress + 0x80;
    private const uint Leaves = MemoryAddress + 0x400;
    private const uint Gdt = MemoryAddress + 0x1000;
    private const uint TaskStateSegment = MemoryAddress + 0x1800;
    private const uint Pml4 = MemoryAddress + 0x2000;
    private const uint Pdpt = MemoryAddress + 0x3000;
    private const uint PageDirectory = MemoryAddress + 0x4000;
    private const uint Idt = MemoryAddress + 0x5000;
    private const uint Stubs = MemoryAddress + 0x6000;
    private const uint InitialImage = MemoryAddress + 0x8000;
    private const uint Program = MemoryAddress + 0xA000;
    private const int StubLength = 16;
    private const int Sector = 512;
    private const ushort Com1 = 0x3F8;
    private const ushort Ata = 0x1F0;
    private const int AtaReadSectors = 0x20;

    /// <summary>The leaves of CPUID that the image sends, each with its sub-leaf, before anything else.</summary>
    public static (uint Leaf, uint Subleaf)[] CpuidLeaves { get; } =
    [
        (0, 0), (1, 0), (6, 0), (7, 0), (7, 1), .. Enumerable.Range(0, 63).Select(subleaf => (0xDU, (uint)subleaf)),
        (0x8000_0000, 0), (0x8000_0001, 0), (0x8000_0008, 0),
    ];

    /// <summary>The ROM, whose last 16 bytes are where a processor starts.</summary>
    public static byte[] Rom()
    {
        byte[] rom = new byte[RomLength];
        rom.AsSpan().Fill(0xFF);
        List<byte> code = [0xFA, 0x31, 0xC0, 0x8E, 0xD8];                       // cli; xor ax, ax; mov ds, ax
        code.AddRange([0x0F, 0x20, 0xC0, 0x66, 0xA3, .. Word(LeftCr0)]);        // mov eax, cr0; mov [LeftCr0], eax
        code.AddRange([0x0F, 0x20, 0xE0, 0x66, 0xA3, .. Word(LeftCr4)]);        // mov eax, cr4; mov [LeftCr4], eax
        code.AddRange([0x66, 0xB9, .. Dword(0xC000_0080), 0x0F, 0x32]);         // mov ecx, IA32_EFER; rdmsr
        code.AddRange([0x66, 0xA3, .. Word(LeftEfer)]);                         // mov [LeftEfer], eax
        code.AddRange([0x2E, 0x66, 0x0F, 0x01, 0x16, .. Word(RomLength - 32)]); // lgdt [cs:pointer]
        code.AddRange([0x66, 0xB8, .. Dword((uint)BaseCr4), 0x0F, 0x22, 0xE0]); // mov eax, BaseCr4; mov cr4, eax
        code.AddRange([0x66, 0xB8, .. Dword(Pml4), 0x0F, 0x22, 0xD8]);          // mov eax, Pml4; mov cr3, eax
        code.AddRange([0x66, 0xB8, .. Dword(0x100), 0x66, 0x31, 0xD2]);         // mov eax, LME; xor edx, edx
        code.AddRange([0x0F, 0x30]);                                            // wrmsr
        code.AddRange([0x66, 0xB8, .. Dword((uint)BaseCr0), 0x0F, 0x22, 0xC0]); // mov eax, BaseCr0; mov cr0, eax
        code.AddRange([0x66, 0xEA, .. Dword(Program), .. Word(KernelCode)]);    // jmp KernelCode:Program
        code.CopyTo(rom);
        byte[] pointer = [.. Word(0xFF), .. Dword(Gdt)];
        pointer.CopyTo(rom, RomLength - 32);
        byte[] start = [0xEA, 0, 0, 0, 0xF0];                                   // jmp F000h:0
        start.CopyTo(rom, RomLength - 16);
        return rom;
    }

    /// <summary>A video ROM that does nothing: Bochs does not start without one, and the image never calls it.</summary>
    public static byte[] VideoRom()
    {
        byte[] rom = new byte[VideoRomLength];
        byte[] start = [0x55, 0xAA, VideoRomLength / 512, 0xCB];                // signature, length in units of 512 bytes, retf
        start.CopyTo(rom, 0);
        rom[^1] = (byte)-start.Sum(part => part);
        return rom;
    }

    /// <summary>The memory from <see cref="MemoryAddress"/> on.</summary>
    /// <param name="cases">How many cases are on the disk.</param>
    /// <param name="xcr0">The components that XCR0 can enable.</param>
    /// <param name="xss">The components that IA32_XSS can enable.</param>
    /// <param name="verbose">Whether all of a result is sent instead of a checksum.</param>
    public static byte[] Memory(int cases, ulong xcr0, ulong xss, bool verbose)
    {
        byte[] memory = new byte[Case - MemoryAddress];
        Span<byte> At(uint address) => memory.AsSpan((int)(address - MemoryAddress));
        void Write(uint address, ulong value) => BinaryPrimitives.WriteUInt64LittleEndian(At(address), value);
        void Copy(uint address, ReadOnlySpan<byte> bytes) => bytes.CopyTo(At(address));

        Write(Left, (ulong)cases);
        Write(Verbose, verbose ? 1UL : 0);
        Copy(IdtPointer, [.. Word(0xFFF), .. Dword(Idt), 0, 0, 0, 0]);
        for (int i = 0; i < CpuidLeaves.Length; i++)
        {
            Copy(Leaves + (uint)(i * 8), [.. Dword(CpuidLeaves[i].Leaf), .. Dword(CpuidLeaves[i].Subleaf)]);
        }

        Write(Gdt + KernelCode, 0x00AF_9B00_0000_FFFF);
        Write(Gdt + KernelData, 0x00CF_9300_0000_FFFF);
        Write(Gdt + KernelCode32, 0x00CF_9B00_0000_FFFF);
        Write(Gdt + (UserCode32 & ~3), 0x00CF_FB00_0000_FFFF);
        Write(Gdt + (UserData & ~3), 0x00CF_F300_0000_FFFF);
        Write(Gdt + (UserCode & ~3), 0x00AF_FB00_0000_FFFF);
        Write(Gdt + TaskState, 0x0000_8900_0000_0067 | ((ulong)(TaskStateSegment & 0xFF_FFFF) << 16));
        Write(TaskStateSegment + 4, KernelStack);
        Write(TaskStateSegment + 36, TrapStack);

        // One gigabyte, whose addresses are the physical ones, for all privilege levels.
        const ulong TablePage = 7;
        Write(Pml4, Pdpt | TablePage);
        Write(Pdpt, PageDirectory | TablePage);
        for (uint page = 0; page < 512; page++)
        {
            Write(PageDirectory + (page * 8), ((ulong)page << 21) | TablePage | 0x80);
        }

        uint trap = Program + (uint)Assemble(xcr0, xss, out byte[] program);
        Copy(Program, program);
        for (int vector = 0; vector <= 32; vector++)
        {
            uint stub = Stubs + (uint)(vector * StubLength);
            int number = vector == 32 ? SystemCall : vector;
            List<byte> code = vector is 8 or (>= 10 and <= 14) or 17 or 21 ? [] : [0x6A, 0];       // push 0
            code.AddRange([0x68, .. Dword((uint)number)]);                                         // push vector
            code.AddRange([0xE9, .. Dword(trap - (stub + (uint)code.Count + 5))]);                 // jmp trap
            Copy(stub, code.ToArray());
            uint gate = Idt + (uint)(number * 16);
            Write(gate, (stub & 0xFFFF) | KernelCode << 16 | 1UL << 32 | 0xEE00UL << 32 | (ulong)(stub >> 16) << 48);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(memory.AsSpan((int)(InitialImage - MemoryAddress) + 520), 1UL << 63 | xcr0 | xss);
        return memory;
    }

    /// <summary>The content of the disk: a case in every 13 sectors, and what a disk needs to have whole cylinders.</summary>
    public static byte[] Disk(IReadOnlyList<byte[]> cases)
    {
        const int Cylinder = 16 * 63 * Sector;
        byte[] disk = new byte[((cases.Count * BochsCase.Length / Cylinder) + 1) * Cylinder];
        for (int i = 0; i < cases.Count; i++)
        {
            cases[i].CopyTo(disk, i * BochsCase.Length);
        }

        return disk;
    }

    // The program of 64-bit mode; gives where its handler of traps begins.
    private static int Assemble(ulong xcr0, ulong xss, out byte[] program)
    {
        Assembler a = new(64);
        Label next = a.CreateLabel();
        Label afterInit = a.CreateLabel();
        Label collect = a.CreateLabel();
        Label trap = a.CreateLabel();
        Label end = a.CreateLabel();
        Label send = a.CreateLabel();
        Label sendBlock = a.CreateLabel();
        Label leaf = a.CreateLabel();
        Label checksum = a.CreateLabel();
        Label all = a.CreateLabel();
        Label done = a.CreateLabel();
        Label wait = a.CreateLabel();
        Label hang = a.CreateLabel();
        Label empty = a.CreateLabel();

        a.mov(eax, KernelData);
        a.mov(ds, eax);
        a.mov(es, eax);
        a.mov(ss, eax);
        a.mov(esp, KernelStack);
        a.mov(r15d, MemoryAddress);
        a.lidt(__[r15 + (int)(IdtPointer - MemoryAddress)]);
        a.and(__byte_ptr[r15 + (int)(Gdt - MemoryAddress) + TaskState + 5], 0xFD);                 // not busy
        a.mov(eax, TaskState);
        a.ltr(ax);
        a.cmp(__dword_ptr[r15 + (int)(State - MemoryAddress)], 0);
        a.jne(afterInit);

        // Bytes of eight bits.
        a.mov(edx, Com1 + 3);
        a.mov(eax, 3);
        a.@out(dx, al);
        a.lea(rsi, __[r15 + (int)(Leaves - MemoryAddress)]);
        a.mov(r12d, CpuidLeaves.Length);
        a.mov(r14d, Result);
        a.Label(ref leaf);
        a.mov(eax, __dword_ptr[rsi]);
        a.mov(ecx, __dword_ptr[rsi + 4]);
        a.cpuid();
        a.mov(__dword_ptr[r14], eax);
        a.mov(__dword_ptr[r14 + 4], ebx);
        a.mov(__dword_ptr[r14 + 8], ecx);
        a.mov(__dword_ptr[r14 + 12], edx);
        a.add(rsi, 8);
        a.push(rsi);
        a.mov(rsi, r14);
        a.mov(r13d, 16);
        a.call(sendBlock);
        a.pop(rsi);
        a.dec(r12d);
        a.jne(leaf);

        // One case: everything initial, its registers, its control registers, and then into its code.
        a.Label(ref next);
        a.mov(r15d, MemoryAddress);
        a.mov(esp, KernelStack);
        a.mov(ebx, Case);
        a.dec(__qword_ptr[r15 + (int)(Left - MemoryAddress)]);
        a.js(end);
        ReadCase(a);

        // Leaving for CPL 3 has emptied these.
        a.mov(eax, UserData);
        a.mov(ds, eax);
        a.mov(es, eax);
        a.mov(rax, BaseCr0);
        a.mov(cr0, rax);
        a.mov(eax, (uint)BaseCr4);
        a.mov(cr4, rax);
        SetXcr0(a, xcr0);
        SetXss(a, xss);
        a.mov(edi, Result);
        a.xor(eax, eax);
        a.mov(ecx, (Scratch + 0x1000 - Result) / 8);
        a.cld();
        a.rep.stosq();
        a.or(rax, -1);
        a.or(rdx, -1);
        a.xrstors64(__[r15 + (int)(InitialImage - MemoryAddress)]);
        a.xrstors64(__[rbx + BochsCase.ImageOffset]);
        a.mov(edi, Exec);
        a.mov(rax, __qword_ptr[rbx]);
        a.mov(__qword_ptr[rdi], rax);
        a.mov(rax, __qword_ptr[rbx + 8]);
        a.mov(__qword_ptr[rdi + 8], rax);
        a.mov(ecx, Xstate.Processor.ModelSpecificRegisters.Xss);
        a.mov(eax, __dword_ptr[rbx + BochsCase.XssOffset]);
        a.xor(edx, edx);
        a.wrmsr();
        a.xor(ecx, ecx);
        a.mov(eax, __dword_ptr[rbx + BochsCase.Xcr0Offset]);
        a.xsetbv();
        a.mov(eax, __dword_ptr[rbx + BochsCase.InitOffset]);
        a.mov(__dword_ptr[r15 + (int)(State - MemoryAddress)], eax);
        a.mov(rax, __qword_ptr[rbx + BochsCase.Cr4Offset]);
        a.mov(cr4, rax);
        a.push(__qword_ptr[rbx + BochsCase.SsOffset]);
        a.push((int)UserStack);
        a.push(__qword_ptr[rbx + BochsCase.FlagsOffset]);
        a.push(__qword_ptr[rbx + BochsCase.CsOffset]);
        a.push((int)Exec);
        a.mov(rax, __qword_ptr[rbx + BochsCase.Cr0Offset]);
        a.mov(cr0, rax);
        a.mov(rax, __qword_ptr[rbx + BochsCase.RaxOffset]);
        a.mov(rcx, __qword_ptr[rbx + BochsCase.RcxOffset]);
        a.mov(rdx, __qword_ptr[rbx + BochsCase.RdxOffset]);
        a.mov(rdi, __qword_ptr[rbx + BochsCase.RdiOffset]);
        a.iretq();

        // The case ended: at the INT behind its code, or with an exception.
        a.Label(ref trap);
        a.push(rax);
        a.push(rcx);
        a.push(rdx);
        a.mov(r14d, Result);
        Pop(a, BochsResult.RdxOffset);
        Pop(a, BochsResult.RcxOffset);
        Pop(a, BochsResult.RaxOffset);
        Pop(a, BochsResult.VectorOffset);
        Pop(a, BochsResult.ErrorOffset);
        Pop(a, BochsResult.RipOffset);
        Note(a, BochsResult.Cr0Offset, cr0);
        Note(a, BochsResult.Cr4Offset, cr4);
        Note(a, BochsResult.Cr2Offset, cr2);
        a.jmp(collect);

        // The case ended in INIT, and the ROM has brought it here.
        a.Label(ref afterInit);
        a.mov(r14d, Result);
        a.mov(__dword_ptr[r14 + BochsResult.VectorOffset], BochsResult.InitVector);
        a.mov(esi, LeftCr0);
        a.mov(eax, __dword_ptr[rsi]);
        a.mov(__dword_ptr[r14 + BochsResult.Cr0Offset], eax);
        a.mov(eax, __dword_ptr[rsi + 4]);
        a.mov(__dword_ptr[r14 + BochsResult.Cr4Offset], eax);
        a.mov(eax, __dword_ptr[rsi + 8]);
        a.mov(__dword_ptr[r14 + BochsResult.EferOffset], eax);

        a.Label(ref collect);
        a.mov(r15d, MemoryAddress);
        a.mov(ebx, Case);
        a.mov(rax, BaseCr0);
        a.mov(cr0, rax);
        a.mov(eax, (uint)BaseCr4);
        a.mov(cr4, rax);
        a.xor(ecx, ecx);
        a.xgetbv();
        a.mov(__dword_ptr[r14 + BochsResult.Xcr0Offset], eax);
        a.mov(ecx, 1);
        a.xgetbv();
        a.mov(__dword_ptr[r14 + BochsResult.InUseOffset], eax);
        for (int i = 0; i < BochsResult.Msrs.Length; i++)
        {
            a.mov(ecx, BochsResult.Msrs[i]);
            a.rdmsr();
            a.mov(__dword_ptr[r14 + BochsResult.MsrOffset + (i * 8)], eax);
            a.mov(__dword_ptr[r14 + BochsResult.MsrOffset + (i * 8) + 4], edx);
        }

        SetXcr0(a, xcr0);
        SetXss(a, xss);
        a.or(rax, -1);
        a.or(rdx, -1);
        a.xsave64(__[r14 + BochsResult.ImageOffset]);
        a.xsaves64(__[r14 + (int)(Scratch - Result)]);
        a.mov(rax, __qword_ptr[r14 + (int)(Scratch - Result) + 512]);
        a.mov(__qword_ptr[r14 + BochsResult.AllInUseOffset], rax);
        a.mov(__dword_ptr[r15 + (int)(State - MemoryAddress)], 0);
        a.cmp(__dword_ptr[r15 + (int)(Verbose - MemoryAddress)], 0);
        a.jne(all);
        a.xor(eax, eax);
        a.mov(rsi, r14);
        a.mov(r13d, BochsResult.Length / 8);
        a.call(checksum);
        a.lea(rsi, __[rbx + BochsCase.MemoryOffset]);
        a.mov(r13d, BochsCase.MemoryLength / 8);
        a.call(checksum);
        a.mov(__dword_ptr[r14], eax);
        a.mov(rsi, r14);
        a.mov(r13d, 4);
        a.call(sendBlock);
        a.jmp(done);

        a.Label(ref all);
        a.mov(rsi, r14);
        a.mov(r13d, BochsResult.Length);
        a.call(sendBlock);
        a.lea(rsi, __[rbx + BochsCase.MemoryOffset]);
        a.mov(r13d, BochsCase.MemoryLength);
        a.call(sendBlock);
        a.Label(ref done);
        a.jmp(next);

        a.Label(ref checksum);
        a.crc32(rax, __qword_ptr[rsi]);
        a.add(rsi, 8);
        a.dec(r13d);
        a.jne(checksum);
        a.ret();

        // r13d bytes at rsi, each when the port has room for it.
        a.Label(ref sendBlock);
        a.mov(edx, Com1 + 5);
        a.Label(ref wait);
        a.@in(al, dx);
        a.test(al, 0x20);
        a.je(wait);
        a.mov(al, __byte_ptr[rsi]);
        a.inc(rsi);
        a.mov(edx, Com1);
        a.@out(dx, al);
        a.dec(r13d);
        a.jne(sendBlock);
        a.ret();

        // Bochs ends when the word is written to its port, which must not be before the last byte has left.
        a.Label(ref end);
        a.lea(rsi, __[send]);
        a.mov(r13d, EndMark.Length);
        a.call(sendBlock);
        a.mov(edx, Com1 + 5);
        a.Label(ref empty);
        a.@in(al, dx);
        a.test(al, 0x40);
        a.je(empty);
        a.mov(edx, 0x8900);
        foreach (char letter in "Shutdown")
        {
            a.mov(eax, letter);
            a.@out(dx, al);
        }

        a.Label(ref hang);
        a.hlt();
        a.jmp(hang);
        a.Label(ref send);
        a.db(System.Text.Encoding.ASCII.GetBytes(EndMark));

        using MemoryStream code = new();
        AssemblerResult result = a.Assemble(new StreamCodeWriter(code), Program, BlockEncoderOptions.ReturnNewInstructionOffsets);
        program = code.ToArray();
        return (int)(result.GetLabelRIP(trap) - Program);
    }

    // The sectors of the next case, from the first disk of the first channel, to rbx.
    private static void ReadCase(Assembler a)
    {
        Label sector = a.CreateLabel();
        Label wait = a.CreateLabel();
        Label ready = a.CreateLabel();
        a.mov(r12d, __dword_ptr[r15 + (int)(NextSector - MemoryAddress)]);
        a.add(__dword_ptr[r15 + (int)(NextSector - MemoryAddress)], BochsCase.Length / Sector);
        a.mov(edx, Ata + 2);
        a.mov(eax, BochsCase.Length / Sector);
        a.@out(dx, al);
        for (int part = 0; part < 3; part++)
        {
            a.inc(edx);
            a.mov(eax, r12d);
            a.@out(dx, al);
            a.shr(r12d, 8);
        }

        // The last four bits of the address, with linear addressing.
        a.inc(edx);
        a.mov(eax, r12d);
        a.or(eax, 0xE0);
        a.@out(dx, al);
        a.inc(edx);
        a.mov(eax, AtaReadSectors);
        a.@out(dx, al);
        a.mov(rdi, rbx);
        a.mov(r12d, BochsCase.Length / Sector);
        a.cld();
        a.Label(ref sector);
        a.mov(edx, Ata + 7);

        // Not busy, and data is there.
        a.Label(ref wait);
        a.@in(al, dx);
        a.and(al, 0x88);
        a.cmp(al, 0x08);
        a.je(ready);
        a.jmp(wait);
        a.Label(ref ready);
        a.mov(edx, Ata);
        a.mov(ecx, Sector / sizeof(ushort));
        a.rep.insw();
        a.dec(r12d);
        a.jne(sector);
    }

    private static void SetXcr0(Assembler a, ulong value)
    {
        a.xor(ecx, ecx);
        a.mov(eax, (uint)value);
        a.xor(edx, edx);
        a.xsetbv();
    }

    private static void SetXss(Assembler a, ulong value)
    {
        a.mov(ecx, Xstate.Processor.ModelSpecificRegisters.Xss);
        a.mov(eax, (uint)value);
        a.xor(edx, edx);
        a.wrmsr();
    }

    private static void Pop(Assembler a, int offset)
    {
        a.pop(rax);
        a.mov(__qword_ptr[r14 + offset], rax);
    }

    private static void Note(Assembler a, int offset, AssemblerRegisterCR register)
    {
        a.mov(rax, register);
        a.mov(__qword_ptr[r14 + offset], rax);
    }

    private static byte[] Word(int value) => [(byte)value, (byte)(value >> 8)];

    private static byte[] Dword(uint value) => [(byte)value, (byte)(value >> 8), (byte)(value >> 16), (byte)(value >> 24)];
}
