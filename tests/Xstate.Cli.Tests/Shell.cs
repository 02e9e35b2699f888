using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The command in a line of a shell, as people write it: redirections, closed streams, pipes.</summary>
internal static class Shell
{
    /// <summary>Runs a line in which <c>xstate</c> is the command.</summary>
    /// <param name="line">The line.</param>
    /// <param name="folder">The current directory.</param>
    /// <param name="environment">Variables to set.</param>
    public static async Task<XstateProcess> Run(string line, string? folder = null, params (string Name, string Value)[] environment)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a POSIX shell");
        ProcessStartInfo start = new("/bin/sh", ["-c", $"xstate() {{ {XstateProcess.ShellCommand} \"$@\"; }}; {line}"])
        {
            WorkingDirectory = folder ?? Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };
        foreach ((string name, string value) in environment)
        {
            start.Environment[name] = value;
        }

        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return new XstateProcess(process.ExitCode, await output, await error);
    }
}
