using System.Diagnostics;
using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>
/// Ends a KVM_RUN that does not end of itself: from time to time the thread that made this gets a signal, whose only effect is that its
/// system call answers EINTR.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed class RunLimit : IDisposable
{
    private static readonly TimeSpan Period = TimeSpan.FromMilliseconds(300);
    private static readonly Lazy<bool> Handler = new(InstallHandler);

    private readonly nint _thread;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private bool _disposed;
    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly TimeSpan _time;

    /// <summary>Begins to count for the calling thread.</summary>
    public RunLimit(TimeSpan time)
    {
        _ = Handler.Value;
        _thread = LibC.syscall(LibC.SYS_gettid, 0, 0);
        _time = time;
        _timer = new Timer(_ => Interrupt(), null, Period, Period);
    }

    /// <summary>Whether the time is over.</summary>
    public bool IsOver => Stopwatch.GetElapsedTime(_started) >= _time;

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
                LibC.syscall(LibC.SYS_tgkill, Environment.ProcessId, _thread, NativeCodeCalls.SigUsr2);
            }
        }
    }
}
