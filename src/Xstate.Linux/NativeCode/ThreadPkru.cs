using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>PKRU of the calling thread, by RDPKRU and WRPKRU.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe class ThreadPkru
{
    private const int WriteOffset = 16;

    private static readonly Lazy<LowMemory> Code = new(() =>
    {
        LowMemory code = new(LowMemory.PageLength);
        new CodeWriter().Emit(0x31, 0xC9, 0x0F, 0x01, 0xEE, 0xC3)
            .CopyTo(code.Bytes(0, WriteOffset), code.Address);                           // xor ecx, ecx; rdpkru; ret
        new CodeWriter().Emit(0x89, 0xF8, 0x31, 0xC9, 0x31, 0xD2, 0x0F, 0x01, 0xEF, 0xC3)
            .CopyTo(code.Bytes(WriteOffset, WriteOffset), code.Address); // mov eax, edi; xor ecx, ecx; xor edx, edx; wrpkru; ret
        code.MakeExecutable();
        return code;
    });

    /// <summary>Whether the kernel has turned protection keys on.</summary>
    public static bool IsSupported => (NativeProcessor.Cr4Mirror & Cr4.ProtectionKeys) != Cr4.None;

    /// <summary>The register. Key 0 must stay open: all memory of this process has it.</summary>
    public static uint Value
    {
        get => ((delegate* unmanaged<uint>)Code.Value.Pointer)();
        set
        {
            if (!new Pkru(value).IsOpen(0))
            {
                throw new ArgumentOutOfRangeException(nameof(value), $"0x{value:x}", "key 0 must stay open");
            }

            ((delegate* unmanaged<uint, void>)(Code.Value.Pointer + WriteOffset))(value);
        }
    }
}
