using System.Runtime.Versioning;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>The descriptors 0, 1 and 2 of this process.</summary>
[SupportedOSPlatform("linux")]
internal static class StandardDescriptors
{
    /// <summary>
    /// Whether a descriptor was handed to this process when it started. One that the caller had closed is given to the first file that the
    /// runtime opens; such files close at exec (FD_CLOEXEC), which what
    /// was handed over by exec cannot.
    /// </summary>
    public static bool IsInherited(int descriptor)
    {
        int flags = FileCalls.fcntl(descriptor, FileCalls.F_GETFD);
        return flags >= 0 && (flags & FileCalls.FD_CLOEXEC) == 0;
    }
}
