using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>
/// Ends a KVM_RUN that does not end of itself: after some time the thread that made this gets signals, whose only effect is that its system call answers EINTR.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class RunLimit : IDisposable
{
    // KVM_RUN may be entered again between two signals.
    private static readonly TimeSpan Repetition = TimeSpan.FromMilliseconds(100);
    private static readonly Lazy<bool> Handler = new(InstallHandler);

    private readonly nint _thread;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private bool _disposed;
    private volatile bool _isOver;

    /// <summary>Begins to count for the calling thread.</summary>
    public RunLimit(TimeSpan time)
    {
        _ = Handler.Value;
        _thread = LibC.syscall(LibC.SYS_gettid, 0, 0);
        _timer = new Timer(_ => Interrupt(), null, time, Repetition);
    }

    /// <summary>Whether the time is over.</summary>
    public bool IsOver => _isOver;

    /// <summary>Ends it; no signal comes afterwards.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _disposed = true;
        }

        _timer.Dispose();
    }

    private static bool InstallHandler()
    {
        ReturnHandler.Install(NativeCodeCalls.SigUsr2);
        return true;
    }

    private void Interrupt()
    {
        lock (_gate)
        {
            if (!_disposed)
            {
                _isOver = true;
                LibC.syscall(LibC.SYS_tgkill, Environment.ProcessId, _thread, NativeCodeCalls.SigUsr2);
            }
        }
    }
}
