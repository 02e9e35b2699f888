using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Hypervisors.Linux;

/// <summary>Extended state as a thread itself sees it, by its own instructions.</summary>
/// <param name="Area">What XSAVE64 stores into zeroed memory, at the standard offsets; dynamic components are not asked for.</param>
/// <param name="Xcr0">XGETBV with ECX=0.</param>
/// <param name="InUse">XGETBV with ECX=1, or null where the processor does not offer it.</param>
/// <param name="Pkru">RDPKRU, or null where protection keys are off.</param>
internal sealed record ThreadView(byte[] Area, StateComponentSet Xcr0, StateComponentSet? InUse, uint? Pkru);

/// <summary>A child that does as its tracer says: the same operations on the model and on a real process.</summary>
internal interface ILinuxTask : IThreadRegsets, IDisposable
{
    /// <summary>
    /// PTRACE_GETREGSET with NT_X86_XSTATE into a buffer of a given length: less than the set is cut, no multiple of 8 is refused.
    /// </summary>
    KernelReply GetXstate(int length, out byte[] image);

    /// <summary>PTRACE_GETREGSET with NT_PRFPREG into a buffer of a given length.</summary>
    KernelReply GetFpregs(int length, out byte[] image);

    /// <summary>
    /// The thread gets a signal, its handler lets the frame be changed, and sigreturn loads it. A signal that would kill the thread is held
    /// back, so that its state can still be read.
    /// </summary>
    SignalReturn RoundtripSignal(Action<SignalFrame> change);

    /// <summary>The thread executes XRSTOR64 on an area. A fault leaves its state as it was.</summary>
    /// <param name="area">The area.</param>
    /// <param name="components">RFBM, without dynamic components.</param>
    Fault Restore(ReadOnlySpan<byte> area, StateComponentSet components);

    /// <summary>The thread reads its own state.</summary>
    /// <param name="view">What it read; null when it faulted, as it does with a PKRU that keeps it from its own memory.</param>
    Fault View(out ThreadView? view);
}
