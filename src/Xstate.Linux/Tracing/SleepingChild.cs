using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Win32.SafeHandles;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Tracing;

/// <summary>
/// A process that runs <see cref="ChildProgram"/>, asleep and not traced. Killed when disposed; the kernel kills it too when the thread
/// that started it ends.
/// </summary>
[SupportedOSPlatform("linux")]
internal sealed unsafe class SleepingChild : IDisposable
{
    private bool _reaped;

    /// <summary>
    /// Starts the program from memory. Nothing of this process is forked: posix_spawn shares its memory with the child only until the
    /// program is loaded, and runs no managed code there.
    /// </summary>
    /// <exception cref="LinuxException">The kernel refused.</exception>
    public SleepingChild()
    {
        int descriptor = TraceCalls.memfd_create("xstate-child", TraceCalls.MFD_CLOEXEC);
        if (descriptor < 0)
        {
            throw new LinuxException("memfd_create", (Errno)Marshal.GetLastPInvokeError());
        }

        using SafeFileHandle file = new(descriptor, ownsHandle: true);
        RandomAccess.Write(file, ChildProgram.Write(), 0);
        fixed (byte* name = "xstate-child\0"u8)
        {
            byte** arguments = stackalloc byte*[] { name, null };
            byte** environment = stackalloc byte*[] { null };
            int error = TraceCalls.posix_spawn(out int id, $"/proc/self/fd/{descriptor}", 0, 0, arguments, environment);
            Id = error == 0 ? id : throw new LinuxException("posix_spawn", (Errno)error);
        }
    }

    /// <summary>Its process id.</summary>
    public int Id { get; }

    /// <summary>Tells that somebody else has waited for its end.</summary>
    public void MarkReaped() => _reaped = true;

    /// <summary>Kills it and waits for its end.</summary>
    public void Dispose()
    {
        if (_reaped)
        {
            return;
        }

        _reaped = true;
        TraceCalls.kill(Id, TraceCalls.SIGKILL);
        int found;
        do
        {
            // Stops that a tracer has not seen come before the end.
            found = TraceCalls.waitpid(Id, out int status, TraceCalls.WALL);
            if (found == Id && !new ThreadStop(status).IsStopped)
            {
                return;
            }
        }
        while (found == Id || (found < 0 && TracedThread.LastError() == Errno.EINTR));
    }
}
