using System.Runtime.InteropServices;
using System.Runtime.Versioning;

namespace Xstate.Linux.Interop;

/// <summary>The C library's call that puts another program in a process's place.</summary>
[SupportedOSPlatform("linux")]
internal static partial class ProcessCalls
{
    /// <summary>Both arrays end with null.</summary>
    [LibraryImport("libc", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int execve(string path, string?[] arguments, string?[] environment);
}
