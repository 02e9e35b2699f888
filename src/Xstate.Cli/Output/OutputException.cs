using System.Runtime.InteropServices;
using Xstate.Linux;

namespace Xstate.Cli.Output;

/// <summary>An output cannot be written: exit code 5. Names the output that the user asked for, and not a temporary file.</summary>
internal sealed class OutputException : Exception
{
    /// <summary>An output that failed.</summary>
    /// <param name="output">Its name on the command line, or <c>standard output</c>.</param>
    /// <param name="reason">Why.</param>
    public OutputException(string output, string reason)
        : base($"cannot write {output}: {reason}")
    {
    }

    /// <summary>An output that failed with what the runtime or the kernel said.</summary>
    public OutputException(string output, Exception reason)
        : base($"cannot write {output}: {ReasonOf(reason)}", reason)
    {
    }

    // The runtime's messages name the file that was open, which is a temporary one.
    private static string ReasonOf(Exception error) => error switch
    {
        LinuxException refused => Marshal.GetPInvokeErrorMessage((int)refused.Errno),
        DirectoryNotFoundException or FileNotFoundException => "there is no such directory",
        PathTooLongException => "the name is too long",
        UnauthorizedAccessException => "permission denied",
        IOException { HResult: > 0 and < 4096 } refused => Marshal.GetPInvokeErrorMessage(refused.HResult),
        _ => error.Message,
    };
}
