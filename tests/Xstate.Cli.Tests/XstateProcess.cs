using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// One run of the command: in this process, or as a process of its own where that matters; of the program XSTATE_BINARY where that is set.
/// </summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record XstateProcess(int ExitCode, string Output, string Error)
{
    private static readonly string? Binary = Environment.GetEnvironmentVariable("XSTATE_BINARY");
    private static readonly string Assembly = typeof(App).Assembly.Location;

    // What asks this machine's kernel belongs to a process: permissions, traced children, what another process may trace.
    private static readonly string[] KernelWords = ["kvm", "conform", "--prove", "--probe", "--pid", "local"];

    // Paths are those of the README.
    static XstateProcess() => Environment.CurrentDirectory = Repository.Root;

    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>Runs in the repository's root.</summary>
    public static Task<XstateProcess> Run(params string[] arguments) => Run([], arguments);

    /// <summary>Runs in the repository's root, with an input.</summary>
    public static Task<XstateProcess> Run(byte[] input, params string[] arguments) =>
        Binary is not null || arguments.Any(NeedsProcess) ? RunProcess(input, arguments) : Task.Run(() => RunHere(input, arguments));

    /// <summary>Runs in a folder, which is the current one of this whole process meanwhile: for tests that nothing runs beside.</summary>
    public static async Task<XstateProcess> RunIn(string folder, params string[] arguments)
    {
        Environment.CurrentDirectory = folder;
        try
        {
            return await Run(arguments);
        }
        finally
        {
            Environment.CurrentDirectory = Repository.Root;
        }
    }

    /// <summary>Runs as a process of its own, whatever it is about.</summary>
    public static async Task<XstateProcess> RunProcess(byte[] input, params string[] arguments)
    {
        using Process process = Process.Start(StartInfo(arguments)) ?? throw new InvalidOperationException("the command did not start");
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        try
        {
            await process.StandardInput.BaseStream.WriteAsync(input);
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // It has ended without reading all of it.
        }

        await process.WaitForExitAsync();
        return new XstateProcess(process.ExitCode, await output, await error);
    }

    /// <summary>How the command is started as a process, with all of its standard streams redirected.</summary>
    public static ProcessStartInfo StartInfo(params string[] arguments) =>
        new(Binary ?? "dotnet", Binary is null ? [Assembly, .. arguments] : arguments)
        {
            WorkingDirectory = Environment.CurrentDirectory,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            UseShellExecute = false,
        };

    // By its full path: a test may give the command a PATH without the directory that dotnet is in.
    private static string Host { get; } =
        Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", OperatingSystem.IsWindows()
            ? "dotnet.exe" : "dotnet"));

    /// <summary>The command line as a shell takes it, for tests of what shells do with the streams.</summary>
    public static string ShellCommand => Binary is null ? $"'{Host}' '{Assembly}'" : $"'{Binary}'";

    /// <summary>Runs in this process, with pipes.</summary>
    public static XstateProcess RunHere(byte[] input, string[] arguments)
    {
        using MemoryStream output = new();
        using MemoryStream error = new();
        int code = App.Run(arguments, new StandardStreams(new Pipe(input), output, error));
        return new XstateProcess(code, Encoding.UTF8.GetString(output.ToArray()), Encoding.UTF8.GetString(error.ToArray()));
    }

    // Standard input is no file here.
    private sealed class Pipe(byte[] bytes) : MemoryStream(bytes)
    {
        public override bool CanSeek => false;
    }

    private static bool NeedsProcess(string argument) =>
        KernelWords.Contains(argument) || argument.StartsWith("local@", StringComparison.Ordinal)
        || argument.StartsWith("--pid=", StringComparison.Ordinal)
        || argument.StartsWith("pid:", StringComparison.Ordinal) || argument.StartsWith("--backend=kvm", StringComparison.Ordinal)
        || argument.StartsWith("/dev/cpu/", StringComparison.Ordinal);
}
