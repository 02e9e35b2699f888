using System.Diagnostics;
using System.Text;
using Microsoft.Win32.SafeHandles;

namespace Xstate.Tests.Support;

/// <summary>
/// How long one thread has run on a processor, readable from any thread. Bounds on it hold on a loaded machine, where bounds by the wall
/// clock do not. Exact to a tick of the kernel while the thread runs (up to 10 ms). Where the kernel does not tell
/// (/proc/thread-self/schedstat), it is the wall clock, which can only be more.
/// </summary>
internal sealed class ThreadClock : IDisposable
{
    private readonly SafeFileHandle? _statistics;

    private ThreadClock(SafeFileHandle? statistics)
    {
        _statistics = statistics;
    }

    /// <summary>Whether it counts time on a processor, and not the wall clock.</summary>
    public bool CountsProcessorTime => _statistics is not null;

    /// <summary>Time that the thread has had.</summary>
    public TimeSpan Elapsed
    {
        get
        {
            if (_statistics is null)
            {
                return Stopwatch.GetElapsedTime(0);
            }

            Span<byte> text = stackalloc byte[96];
            text = text[..RandomAccess.Read(_statistics, text, 0)];
            return TimeSpan.FromTicks(long.Parse(Encoding.ASCII.GetString(text[..text.IndexOf((byte)' ')]),
                System.Globalization.CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick);
        }
    }

    /// <summary>The clock of the thread that asks.</summary>
    public static ThreadClock OfThisThread()
    {
        // The link names the thread, so that others read the same file.
        const string path = "/proc/thread-self/schedstat";
        return new ThreadClock(File.Exists(path) ? File.OpenHandle(path) : null);
    }

    public void Dispose() => _statistics?.Dispose();
}
