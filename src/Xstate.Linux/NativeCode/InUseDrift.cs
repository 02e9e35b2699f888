using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.Intrinsics.X86;
using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Linux.Interop;
using Xstate.Processor;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Watches whether initial components come to count as in use although nothing writes them. The manuals permit it (SDM Vol. 1, 13.6), and
/// on some virtual machines each exit to the hypervisor does it to SSE, thousands of times a second: what XSTATE_BV is there is up to
/// chance.
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe class InUseDrift
{
    private const int Rounds = 200;
    private const int ReadsOfRound = 4_000;

    // The record that RDI points to.
    private const int Area = 64;
    private const byte First = 0;
    private const byte Later = 8;
    private const byte Mask = 16;
    private const byte SavedMxcsr = 24;
    private const byte Reads = 32;

    private static readonly Lazy<StateComponentSet> Seen = new(Watch);

    /// <summary>The components that were seen to do so here; watched once, for some milliseconds.</summary>
    public static StateComponentSet Components => Seen.Value;

    private static StateComponentSet Watch()
    {
        if (!NativeProcessor.Enumerated.HasXgetbv1 || (NativeProcessor.Cr4Mirror & Cr4.OsXsave) == Cr4.None)
        {
            return StateComponentSet.Empty;
        }

        try
        {
            using LowMemory code = new(LowMemory.PageLength);
            using LowMemory data = new(LowMemory.PageLength);
            Routine().CopyTo(code.Bytes(0, LowMemory.PageLength), code.Address);
            code.MakeExecutable();
            WriteRecord(data);
            ulong drifted = 0;
            for (int round = 0; round < Rounds; round++)
            {
                // The kernel's own frame of a signal says that x87 and SSE are in use.
                using (new DeferredSignals(FaultCatcher.Signals))
                {
                    ((delegate* unmanaged<byte*, void>)code.Pointer)(data.Pointer);
                }

                drifted |= Read(data, Later) & ~Read(data, First);
            }

            return new StateComponentSet(drifted);
        }
        catch (Win32Exception)
        {
            return StateComponentSet.Empty;
        }
    }

    // PKRU decides what memory may be accessed, and tiles need permission.
    private static void WriteRecord(LowMemory data)
    {
        StateComponentSet watched = NativeProcessor.Enumerated.UserComponents.Except(StateComponentSet.Of(StateComponent.Pkru,
            StateComponent.TileCfg, StateComponent.TileData));
        Span<byte> record = data.Bytes(0, LowMemory.PageLength);
        BinaryPrimitives.WriteUInt64LittleEndian(record[Mask..], watched.Bits);
        BinaryPrimitives.WriteUInt64LittleEndian(record[Reads..], ReadsOfRound);
        new XsaveAreaWriter(record[Area..]).WriteInitialControls();
    }

    private static ulong Read(LowMemory data, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(data.Bytes(offset, sizeof(ulong)));

    // Initializes everything and collects XINUSE from then on.
    private static CodeWriter Routine()
    {
        CodeWriter code = new();
        code.Emit(0x0F, 0xAE, 0x5F, SavedMxcsr);                     // stmxcsr [rdi+SavedMxcsr]
        code.Emit(0x8B, 0x47, Mask, 0x8B, 0x57, Mask + 4);           // mov eax, [rdi+Mask]; mov edx, [rdi+Mask+4]
        code.Emit(0x48, 0x0F, 0xAE, 0x6F, Area);                     // xrstor64 [rdi+Area]
        code.Emit(0xB9, 1, 0, 0, 0, 0x0F, 0x01, 0xD0);               // mov ecx, 1; xgetbv
        code.Emit(0x89, 0x47, First, 0x89, 0x57, First + 4);         // mov [rdi+First], eax; mov [rdi+First+4], edx
        code.Emit(0x41, 0x89, 0xC0, 0x41, 0x89, 0xD1);               // mov r8d, eax; mov r9d, edx
        code.Emit(0x4C, 0x8B, 0x57, Reads);                          // mov r10, [rdi+Reads]
        code.Emit(0x0F, 0x01, 0xD0);                                 // again: xgetbv
        code.Emit(0x41, 0x09, 0xC0, 0x41, 0x09, 0xD1);               // or r8d, eax; or r9d, edx
        code.Emit(0x49, 0xFF, 0xCA, 0x75, unchecked((byte)-14));     // dec r10; jnz again
        code.Emit(0x44, 0x89, 0x47, Later, 0x44, 0x89, 0x4F, Later + 4); // mov [rdi+Later], r8d; mov [rdi+Later+4], r9d
        code.Emit(0xDB, 0xE3, 0x0F, 0xAE, 0x57, SavedMxcsr);         // fninit; ldmxcsr [rdi+SavedMxcsr]
        code.Emit(Avx.IsSupported ? [0xC5, 0xF8, 0x77] : []);        // vzeroupper
        return code.Emit(0xC3);
    }
}
