using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Linux.NativeCode;
using Xstate.Processor;

namespace Xstate.Linux.Tests.Processor;

/// <summary>
/// A multiboot image for two processors without an operating system. The boot processor sends INIT and a start-up interrupt to the other
/// one twice, and writes the memory from <see cref="Record"/> to <see cref="DumpEnd"/> to port E9h. The other processor notes its control
/// registers and saves all components, the first time as RESET left them, the second time as INIT did; in between it restores the image and
/// clears CR0.CD and NW. It stays in real mode, where all of this can be executed.
/// </summary>
internal static class InitImage
{
    public const int Record = 0x7000;
    public const int AfterReset = 0x7010;
    public const int AfterInit = 0x7040;
    public const int SavedAfterReset = 0xA000;
    public const int SavedAfterInit = 0xB000;
    public const int SavedBeforeInit = 0xC000;
    public const int DumpEnd = 0xD000;

    // Of a record.
    public const int Cr0Offset = 0;
    public const int Cr4Offset = 4;
    public const int EferOffset = 8;
    public const int Xcr0Offset = 12;
    public const int PkruOffset = 16;

    public const Cr4 Cr4InUse = Cr4.OsFxsr | Cr4.OsXsave | Cr4.ProtectionKeys;

    private const int Restored = 0x9000;
    private const int StartUp = 0x8000;
    private const uint LoadAddress = 0x10_0000;
    private const uint HeaderMagic = 0x1BAD_B002;
    private const uint HeaderHasAddresses = 1 << 16;
    private const int HeaderLength = 32;

    /// <summary>The image, in which the second processor restores an area.</summary>
    public static byte[] Make(StateComponentSet xcr0, ReadOnlySpan<byte> area)
    {
        CodeWriter application = ApplicationProcessor(xcr0);
        CodeWriter boot = BootProcessor(application.Length, area.Length);
        byte[] image = new byte[HeaderLength + boot.Length + application.Length + area.Length];
        uint[] header = [HeaderMagic, HeaderHasAddresses, unchecked(0 - HeaderMagic - HeaderHasAddresses), LoadAddress, LoadAddress, 0, 0,
            LoadAddress + HeaderLength];
        for (int i = 0; i < header.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(i * sizeof(uint)), header[i]);
        }

        boot.CopyTo(image.AsSpan(HeaderLength), LoadAddress + HeaderLength);
        application.CopyTo(image.AsSpan(HeaderLength + boot.Length), StartUp);
        area.CopyTo(image.AsSpan(HeaderLength + boot.Length + application.Length));
        return image;
    }

    // 32-bit code, as multiboot starts it: flat segments, no paging.
    private static CodeWriter BootProcessor(int applicationLength, int areaLength)
    {
        CodeWriter code = new();
        code.Emit(0xFA, 0xFC);                                                  // cli; cld
        code.Emit(0xBF).Emit(Dword(Record));                                    // mov edi, Record
        code.Emit(0xB9).Emit(Dword((DumpEnd - Record) / sizeof(uint)));         // mov ecx, dwords
        code.Emit(0x31, 0xC0, 0xF3, 0xAB);                                      // xor eax, eax; rep stosd
        code.Emit(0xBE).Absolute("end");                                        // mov esi, end
        code.Emit(0xBF).Emit(Dword(StartUp));                                   // mov edi, StartUp
        code.Emit(0xB9).Emit(Dword(applicationLength)).Emit(0xF3, 0xA4);        // mov ecx, length; rep movsb
        code.Emit(0xBF).Emit(Dword(Restored));                                  // mov edi, Restored
        code.Emit(0xB9).Emit(Dword(areaLength)).Emit(0xF3, 0xA4);               // mov ecx, length; rep movsb
        code.Emit(0xBB, 1, 0, 0, 0);                                            // mov ebx, 1
        code.Label("start");
        Send(code, 0x4500);                                                     // INIT

        // A start-up interrupt that comes before INIT is done is lost, and one that comes to a running processor does nothing: so it is
        // sent until it worked.
        code.Label("again");
        code.Emit(0xB9, 0xA0, 0x86, 1, 0);                                      // mov ecx, 100000
        code.Label("pause").Emit(0xF3, 0x90, 0x49, 0x0F, 0x85).Relative("pause"); // pause; dec ecx; jnz pause
        Send(code, 0x4600 | (StartUp >> 12));                                   // start-up at StartUp
        code.Emit(0x38, 0x1D).Emit(Dword(Record));                              // cmp [Record], bl
        code.Emit(0x0F, 0x85).Relative("again");                                // jne again
        code.Emit(0x43, 0x83, 0xFB, 3, 0x0F, 0x82).Relative("start");           // inc ebx; cmp ebx, 3; jb start
        code.Emit(0xBE).Emit(Dword(Record));                                    // mov esi, Record
        code.Emit(0xB9).Emit(Dword(DumpEnd - Record));                          // mov ecx, length
        code.Emit(0xBA, 0xE9, 0, 0, 0, 0xF3, 0x6E);                             // mov edx, E9h; rep outsb
        code.Emit(0xE6, 0xF4);                                                  // out F4h, al: QEMU's isa-debug-exit
        code.Label("hang").Emit(0xF4, 0xE9).Relative("hang");                   // hlt; jmp hang
        return code.Label("end");
    }

    // To local APIC 1: destination first, then the command that sends.
    private static void Send(CodeWriter code, int command)
    {
        code.Emit(0xC7, 0x05, 0x10, 0x03, 0xE0, 0xFE).Emit(Dword(1 << 24));     // mov dword [FEE00310h], 1 << 24
        code.Emit(0xC7, 0x05, 0x00, 0x03, 0xE0, 0xFE).Emit(Dword(command));     // mov dword [FEE00300h], command
    }

    // 16-bit code. SI is where to save, DI the record.
    private static CodeWriter ApplicationProcessor(StateComponentSet xcr0)
    {
        CodeWriter code = new();
        code.Emit(0xFA, 0x31, 0xC0, 0x8E, 0xD8);                                // cli; xor ax, ax; mov ds, ax
        code.Emit(0xBF).Emit(Word(AfterReset)).Emit(0xBE).Emit(Word(SavedAfterReset)); // mov di, …; mov si, …
        IsFirst(code);
        code.Emit(0x66, 0x0F, 0x84).Relative("note");                           // je note
        code.Emit(0xBF).Emit(Word(AfterInit)).Emit(0xBE).Emit(Word(SavedAfterInit));
        code.Label("note");
        code.Emit(0x0F, 0x20, 0xC0, 0x66, 0x89, 0x45, Cr0Offset);               // mov eax, cr0; mov [di+…], eax
        code.Emit(0x0F, 0x20, 0xE0, 0x66, 0x89, 0x45, Cr4Offset);               // mov eax, cr4; mov [di+…], eax
        code.Emit(0x66, 0xB9, 0x80, 0, 0, 0xC0, 0x0F, 0x32);                    // mov ecx, C0000080h; rdmsr
        code.Emit(0x66, 0x89, 0x45, EferOffset);                                // mov [di+…], eax
        code.Emit(0x66, 0xB8).Emit(Dword((int)Cr4InUse)).Emit(0x0F, 0x22, 0xE0); // mov eax, …; mov cr4, eax
        code.Emit(0x66, 0x31, 0xC9, 0x0F, 0x01, 0xD0);                          // xor ecx, ecx; xgetbv
        code.Emit(0x66, 0x89, 0x45, Xcr0Offset);                                // mov [di+…], eax
        code.Emit(0x0F, 0x01, 0xEE, 0x66, 0x89, 0x45, PkruOffset);              // rdpkru; mov [di+…], eax
        code.Emit(0x66, 0xB8).Emit(Dword((int)xcr0.Bits)).Emit(0x66, 0x31, 0xD2, 0x0F, 0x01, 0xD1); // mov eax, …; xor edx, edx; xsetbv
        code.Emit(0x66, 0x83, 0xC8, 0xFF, 0x66, 0x83, 0xCA, 0xFF);              // or eax, -1; or edx, -1
        code.Emit(0x0F, 0xAE, 0x24);                                            // xsave [si]
        IsFirst(code);
        code.Emit(0x66, 0x0F, 0x85).Relative("done");                           // jne done
        code.Emit(0xBE).Emit(Word(Restored)).Emit(0x0F, 0xAE, 0x2C);            // mov si, Restored; xrstor [si]
        code.Emit(0xBE).Emit(Word(SavedBeforeInit)).Emit(0x0F, 0xAE, 0x24);     // mov si, …; xsave [si]
        code.Emit(0x0F, 0x20, 0xC0, 0x66, 0x25, 0xFF, 0xFF, 0xFF, 0x9F);        // mov eax, cr0; and eax, ~(CD | NW)
        code.Emit(0x0F, 0x22, 0xC0);                                            // mov cr0, eax
        code.Label("done");
        code.Emit(0xFE, 0x06).Emit(Word(Record));                               // inc byte [Record]
        return code.Label("hang").Emit(0xFA, 0xF4, 0x66, 0xE9).Relative("hang"); // cli; hlt; jmp hang
    }

    private static void IsFirst(CodeWriter code) => code.Emit(0x80, 0x3E).Emit(Word(Record)).Emit(0); // cmp byte [Record], 0

    private static byte[] Word(int value) => [(byte)value, (byte)(value >> 8)];

    private static byte[] Dword(int value) => [(byte)value, (byte)(value >> 8), (byte)(value >> 16), (byte)(value >> 24)];
}
