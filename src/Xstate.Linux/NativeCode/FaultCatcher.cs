using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.NativeCode;

/// <summary>
/// Catches the faults that probe code raises on purpose. The handler is machine code: no managed code runs in signal context. If the
/// faulting instruction lies in the probe code it notes signal, vector, error code and CR2 in the probe's record (R15) and continues in
/// 64-bit code at the recovery address (R14); any other fault goes to the handler that was there before, which is the .NET runtime's.
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe class FaultCatcher
{
    // ucontext_t of x86-64: 40 bytes before the registers; R14 and R15 are the 7th and 8th, RIP the 17th, CS the 19th, then error code,
    // vector, mask and CR2.
    private const byte R14 = 88;
    private const byte R15 = 96;
    private const byte Rip = 168;
    private const byte Cs = 184;
    private const byte ErrorCode = 192;
    private const byte Vector = 200;
    private const byte Cr2 = 216;
    private const int HandlerSlot = 256;

    /// <summary>The signals of the faults.</summary>
    public static ReadOnlySpan<int> Signals => [NativeCodeCalls.SigIll, NativeCodeCalls.SigBus, NativeCodeCalls.SigFpe,
        NativeCodeCalls.SigSegv];

    /// <summary>Bytes of code that the handlers take.</summary>
    public static int CodeLength => Signals.Length * HandlerSlot;

    /// <summary>
    /// Writes the handlers for faults in a range of addresses to code that must become executable before <see cref="Activate"/>.
    /// </summary>
    /// <param name="code">Where the handlers go.</param>
    /// <param name="offset">At which offset.</param>
    /// <param name="rangeStart">The first address of the range.</param>
    /// <param name="rangeLength">Its length.</param>
    /// <param name="place">Record and recovery address of code that needs R14 and R15 for itself; null for those registers.</param>
    public static void Write(LowMemory code, int offset, ulong rangeStart, int rangeLength, (ulong Record, ulong Recovery)? place = null)
    {
        for (int i = 0; i < Signals.Length; i++)
        {
            NativeCodeCalls.SignalAction old;
            Check(NativeCodeCalls.sigaction(Signals[i], null, &old), "sigaction");
            int at = offset + (i * HandlerSlot);
            Handler(rangeStart, rangeLength, old.Handler, place).CopyTo(code.Bytes(at, HandlerSlot), code.Address + (ulong)at);
        }
    }

    /// <summary>Puts the handlers in force for the process.</summary>
    public static void Activate(LowMemory code, int offset)
    {
        for (int i = 0; i < Signals.Length; i++)
        {
            // Flags and mask stay those of the handler before, so that what it gets passed on is what it expects; SA_ONSTACK keeps it off a
            // stack that may be the fault's cause.
            NativeCodeCalls.SignalAction action;
            Check(NativeCodeCalls.sigaction(Signals[i], null, &action), "sigaction");
            action.Handler = (nint)(code.Address + (ulong)(offset + (i * HandlerSlot)));
            action.Flags |= NativeCodeCalls.SaSigInfo | NativeCodeCalls.SaOnStack;
            Check(NativeCodeCalls.sigaction(Signals[i], &action, null), "sigaction");
        }
    }

    private static CodeWriter Handler(ulong rangeStart, int rangeLength, nint previous, (ulong Record, ulong Recovery)? place)
    {
        CodeWriter code = new();
        code.Emit(0x48, 0x8B, 0x82, Rip, 0, 0, 0);          // mov rax, [rdx+RIP]
        code.Emit(0x48, 0xB9).Immediate(rangeStart);        // mov rcx, rangeStart
        code.Emit(0x48, 0x29, 0xC8);                        // sub rax, rcx
        code.Emit(0x48, 0xB9).Immediate((ulong)rangeLength); // mov rcx, rangeLength
        code.Emit(0x48, 0x39, 0xC8);                        // cmp rax, rcx
        code.Emit(0x0F, 0x83).Relative("elsewhere");        // jae elsewhere
        if (place is { } known)
        {
            code.Emit(0x48, 0xB9).Immediate(known.Record);  // mov rcx, record
        }
        else
        {
            code.Emit(0x48, 0x8B, 0x4A, R15);               // mov rcx, [rdx+R15]
        }

        code.Emit(0x48, 0x8B, 0x82, Vector, 0, 0, 0);       // mov rax, [rdx+vector]
        code.Emit(0x48, 0x89, 0x41, ProbeRecord.Vector);    // mov [rcx+Vector], rax
        code.Emit(0x48, 0x89, 0xB9, ProbeRecord.Signal, 0, 0, 0); // mov [rcx+Signal], rdi
        code.Emit(0x48, 0x8B, 0x82, ErrorCode, 0, 0, 0);    // mov rax, [rdx+error code]
        code.Emit(0x48, 0x89, 0x41, ProbeRecord.ErrorCode); // mov [rcx+ErrorCode], rax
        code.Emit(0x48, 0x8B, 0x82, Cr2, 0, 0, 0);          // mov rax, [rdx+CR2]
        code.Emit(0x48, 0x89, 0x41, ProbeRecord.Cr2);       // mov [rcx+Cr2], rax
        if (place is { } fixedAt)
        {
            code.Emit(0x48, 0xB8).Immediate(fixedAt.Recovery); // mov rax, recovery
        }
        else
        {
            code.Emit(0x48, 0x8B, 0x42, R14);               // mov rax, [rdx+R14]
        }

        code.Emit(0x48, 0x89, 0x82, Rip, 0, 0, 0);          // mov [rdx+RIP], rax
        code.Emit(0x66, 0xC7, 0x82, Cs, 0, 0, 0, 0x33, 0);  // mov word [rdx+CS], 33h
        code.Emit(0xC3);                                    // ret
        code.Label("elsewhere");
        code.Emit(0x48, 0xB8).Immediate((ulong)previous);   // mov rax, previous handler
        code.Emit(0xFF, 0xE0);                              // jmp rax
        return code;
    }

    private static void Check(int result, string request)
    {
        if (result != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), request);
        }
    }
}
