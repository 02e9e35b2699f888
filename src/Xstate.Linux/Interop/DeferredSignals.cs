using System.ComponentModel;
using System.Runtime.Versioning;

namespace Xstate.Linux.Interop;

/// <summary>
/// Keeps from the calling thread every signal that it does not raise itself, until this is disposed; they come then. With tiles in use a
/// signal's frame has about 11.5 KB, and the alternate stack that .NET 10 gives each thread has 16: a second signal while the handler of
/// the first is on it ends the process.
/// </summary>
[SupportedOSPlatform("linux")]
internal readonly unsafe ref struct DeferredSignals : IDisposable
{
    private const int Words = 16;
    private readonly NativeCodeCalls.SignalSet _before;

    /// <summary>Defers them.</summary>
    /// <param name="raised">The signals that the thread may raise.</param>
    public DeferredSignals(ReadOnlySpan<int> raised)
    {
        NativeCodeCalls.SignalSet blocked;
        new Span<ulong>(blocked.Bits, Words).Fill(ulong.MaxValue);
        foreach (int signal in raised)
        {
            blocked.Bits[(signal - 1) / 64] &= ~(1UL << ((signal - 1) % 64));
        }

        NativeCodeCalls.SignalSet before;
        Set(&blocked, &before);
        _before = before;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        NativeCodeCalls.SignalSet before = _before;
        Set(&before, null);
    }

    private static void Set(NativeCodeCalls.SignalSet* mask, NativeCodeCalls.SignalSet* old)
    {
        int error = NativeCodeCalls.pthread_sigmask(NativeCodeCalls.SigSetMask, mask, old);
        if (error != 0)
        {
            throw new Win32Exception(error, "pthread_sigmask");
        }
    }
}
