using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;

namespace Xstate.Linux.Kvm;

/// <summary>Issues a request and turns its end into an <see cref="Errno"/>. A request that a signal interrupts is issued again.</summary>
[SupportedOSPlatform("linux")]
internal static class KvmIoctl
{
    internal static Errno Issue(SafeHandle file, uint request, nint argument, out int result)
    {
        do
        {
            result = LibC.ioctl(file, request, argument);
        }
        while (result < 0 && LastError() == Errno.EINTR);

        return result < 0 ? LastError() : Errno.None;
    }

    internal static Errno Issue(SafeHandle file, uint request, Span<byte> argument, out int result)
    {
        do
        {
            result = LibC.ioctl(file, request, argument);
        }
        while (result < 0 && LastError() == Errno.EINTR);

        return result < 0 ? LastError() : Errno.None;
    }

    internal static Errno Issue(SafeHandle file, uint request, Span<byte> argument) => Issue(file, request, argument, out _);

    /// <summary>Throws for a refusal, naming the request.</summary>
    internal static void Check(Errno errno, string request)
    {
        if (errno != Errno.None)
        {
            throw new KvmException(request, errno);
        }
    }

    internal static Errno LastError() => (Errno)Marshal.GetLastPInvokeError();
}
