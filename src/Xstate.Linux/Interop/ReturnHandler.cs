using System.ComponentModel;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Xstate.Linux.Interop;

/// <summary>
/// A signal handler that does nothing but return, as machine code: no managed code runs in signal context. Its use is that system calls end
/// with EINTR.
/// </summary>
[SupportedOSPlatform("linux")]
internal static unsafe class ReturnHandler
{
    private const int PageLength = 4096;
    private const byte Ret = 0xC3;

    /// <summary>Puts it in force for a signal, for the rest of the process's life.</summary>
    public static void Install(int signal)
    {
        nint page = NativeCodeCalls.mmap(
            0, PageLength, NativeCodeCalls.ProtRead | NativeCodeCalls.ProtWrite, NativeCodeCalls.MapPrivate | NativeCodeCalls.MapAnonymous,
            -1, 0);
        if (page == -1)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), "mmap of a signal handler");
        }

        *(byte*)page = Ret;
        Check(NativeCodeCalls.mprotect(page, PageLength, NativeCodeCalls.ProtRead | NativeCodeCalls.ProtExec),
            "mprotect of a signal handler");
        NativeCodeCalls.SignalAction action = new() { Handler = page };
        Check(NativeCodeCalls.sigaction(signal, &action, null), "sigaction");
    }

    private static void Check(int result, string request)
    {
        if (result != 0)
        {
            throw new Win32Exception(Marshal.GetLastPInvokeError(), request);
        }
    }
}
