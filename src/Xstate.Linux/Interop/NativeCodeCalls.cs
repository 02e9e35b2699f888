using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Xstate.Linux.Interop;

/// <summary>The C library's calls behind executable mappings and caught faults. Nothing here interprets what it carries.</summary>
[SupportedOSPlatform("linux")]
internal static unsafe partial class NativeCodeCalls
{
    internal const int ProtNone = 0;
    internal const int ProtRead = 1;
    internal const int ProtWrite = 2;
    internal const int ProtExec = 4;
    internal const int MapPrivate = 2;
    internal const int MapAnonymous = 0x20;
    internal const int Map32Bit = 0x40;

    internal const int SigIll = 4;
    internal const int SigBus = 7;
    internal const int SigFpe = 8;
    internal const int SigSegv = 11;
    internal const int SigUsr2 = 12;
    internal const int SigSetMask = 2;
    internal const int SaSigInfo = 4;
    internal const int SaOnStack = 0x0800_0000;

    [LibraryImport("libc", SetLastError = true)]
    internal static partial nint mmap(nint address, nuint length, int protection, int flags, int fd, nint offset);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int munmap(nint address, nuint length);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int mprotect(nint address, nuint length, int protection);

    [LibraryImport("libc", SetLastError = true)]
    internal static partial int sigaction(int signal, SignalAction* action, SignalAction* old);

    [LibraryImport("libc")]
    internal static partial int pthread_sigmask(int how, SignalSet* set, SignalSet* old);

    /// <summary><c>sigset_t</c> of glibc and musl on x86-64: signal 1 is bit 0.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SignalSet
    {
        internal fixed ulong Bits[16];
    }

    /// <summary><c>struct sigaction</c> of glibc and musl on x86-64.</summary>
    [StructLayout(LayoutKind.Sequential)]
    internal struct SignalAction
    {
        internal nint Handler;
        internal SignalSet Mask;
        internal int Flags;
        internal nint Restorer;
    }
}
