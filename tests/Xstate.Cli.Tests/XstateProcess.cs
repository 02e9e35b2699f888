using System.Diagnostics;
using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>One run of the command as a process of its own, the way users run it.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record XstateProcess(int ExitCode, string Output, string Error)
{
    private static readonly string Assembly = typeof(App).Assembly.Location;

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>Runs in the repository's root, so that paths are those of the README.</summary>
    public static async Task<XstateProcess> Run(params string[] arguments) => await Run([], arguments);

    public static async Task<XstateProcess> Run(byte[] input, params string[] arguments)
    {
        ProcessStartInfo start = new("dotnet") { WorkingDirectory = Repository.Root, RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true, UseShellExecute = false };
        start.ArgumentList.Add(Assembly);
        foreach (string argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start) ?? throw new InvalidOperationException("the command did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.StandardInput.BaseStream.WriteAsync(input);
        process.StandardInput.Close();
        await process.WaitForExitAsync();
        return new XstateProcess(process.ExitCode, await output, await error);
    }
}
