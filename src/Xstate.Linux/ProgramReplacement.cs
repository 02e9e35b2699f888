using System.Collections;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Xstate.Hypervisors;
using Xstate.Linux.Interop;

namespace Xstate.Linux;

/// <summary>Puts another program in this one's place. Not thread-safe: all other threads end.</summary>
[SupportedOSPlatform("linux")]
internal static class ProgramReplacement
{
    /// <summary>
    /// Goes on as another program: with the same process id, so that signals and exit codes need no one between, and with the same
    /// environment.
    /// </summary>
    /// <param name="path">Its full path; nothing is looked up.</param>
    /// <param name="arguments">Its arguments, without its name.</param>
    /// <exception cref="ArgumentException">The path is not a full one.</exception>
    /// <exception cref="LinuxException">The kernel does not execute it.</exception>
    public static void Run(string path, IEnumerable<string> arguments)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        if (!Path.IsPathFullyQualified(path))
        {
            throw new ArgumentException($"{path} is no full path", nameof(path));
        }

        IEnumerable<string> environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>()
            .Select(entry => $"{entry.Key}={entry.Value}");
        ProcessCalls.execve(path, [path, .. arguments, null], [.. environment, null]);
        throw new LinuxException($"execve {path}", (Errno)Marshal.GetLastPInvokeError());
    }
}
