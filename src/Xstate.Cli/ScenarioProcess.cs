using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Xstate.Hypervisors;
using Xstate.Linux;
using Xstate.Scenarios;

namespace Xstate.Cli;

/// <summary>
/// This command once more, for one scenario on the real kernel. A guest permission belongs to the process, cannot be given back, and is
/// locked by its first virtual CPU; the kernel takes it away with exec, so that a started program has none whatever started it.
/// </summary>
internal static class ScenarioProcess
{
    /// <summary>Says that all scenarios of the input are performed by the process itself.</summary>
    public const string Option = "--here";

    /// <summary>Performs a scenario there and copies its line of answers.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="budget">How many times the usual budget it has.</param>
    /// <param name="output">Where the line goes.</param>
    /// <exception cref="LinuxException">It could not be started, or ended without an answer.</exception>
    public static void Run(Scenario scenario, int budget, Stream output)
    {
        using Process process = Start(budget);
        Task feeding = Task.Run(() => Feed(process.StandardInput.BaseStream, scenario.Text));
        process.StandardOutput.BaseStream.CopyTo(output);
        feeding.GetAwaiter().GetResult();
        process.WaitForExit();
        if (process.ExitCode != ExitCode.Fine)
        {
            // What went wrong is on standard error, which is this process's too.
            throw new LinuxException($"the process for scenario {Quotation.Cut(scenario.Name)} ended with {process.ExitCode}", Errno.EIO);
        }

        output.Flush();
    }

    private static Process Start(int budget)
    {
        // Started as "dotnet Xstate.Cli.dll", the program is dotnet and the first argument the command.
        string program = Environment.ProcessPath!;
        string command = Environment.GetCommandLineArgs()[0];
        bool isHosted = Path.GetFileNameWithoutExtension(program) == "dotnet";
        string[] arguments = ["run", "-", "--backend", "kvm", "--budget", budget.ToString(CultureInfo.InvariantCulture), Option];
        ProcessStartInfo start = new(program, isHosted ? [command, .. arguments] : arguments)
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false
        };
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new LinuxException($"start of {program}: {error.Message}", (Errno)error.NativeErrorCode);
        }
    }

    private static void Feed(Stream input, string text)
    {
        try
        {
            using (input)
            {
                input.Write(Encoding.UTF8.GetBytes(text));
            }
        }
        catch (IOException)
        {
            // It ended before it had read everything; its exit code says why.
        }
    }
}
