using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Xstate.Linux.Interop;

/// <summary>The C library's calls behind tracing. Nothing here interprets what it carries.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class TraceCalls
{
    internal const nint PTRACE_CONT = 7;
    internal const nint PTRACE_DETACH = 17;
    internal const nint PTRACE_GETSIGINFO = 0x4202;
    internal const nint PTRACE_GETREGSET = 0x4204;
    internal const nint PTRACE_SETREGSET = 0x4205;
    internal const nint PTRACE_SEIZE = 0x4206;
    internal const nint PTRACE_INTERRUPT = 0x4207;
    internal const nint PTRACE_O_EXITKILL = 0x10_0000;
    internal const int PTRACE_EVENT_STOP = 128;
    internal const nint NT_PRSTATUS = 1;
    internal const nint NT_PRFPREG = 2;
    internal const nint NT_X86_XSTATE = 0x202;
    internal const nint NT_X86_SHSTK = 0x204;
    internal const int WNOHANG = 1;
    internal const int WALL = 0x4000_0000;
    internal const uint MFD_CLOEXEC = 1;
    internal const int SIGKILL = 9;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint ptrace(nint request, int pid, nint address, nint data);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint ptrace(nint request, int pid, nint address, IoVector* data);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint ptrace(nint request, int pid, nint address, byte* data);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int waitpid(int pid, out int status, int options);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int kill(int pid, int signal);

    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int memfd_create(string name, uint flags);

    [LibraryImport("libc", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int posix_spawn(out int pid, string path, nint actions, nint attributes, byte** arguments, byte** environment);

    /// <summary><c>struct iovec</c>.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct IoVector
    {
        internal byte* Base;
        internal nuint Length;
    }
}
