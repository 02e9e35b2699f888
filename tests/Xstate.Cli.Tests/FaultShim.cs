using System.Diagnostics;
using System.Globalization;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// The command with faults/shim.c preloaded: chosen calls on the files of one folder fail, write less than they were asked to, find the
/// disk full, or are where it is killed. Skips, saying so, without gcc or glibc.
/// </summary>
internal sealed class FaultShim
{
    private static readonly Lazy<string> Library = new(Build);

    private FaultShim(XstateProcess run, Dictionary<string, int> calls, int faults)
    {
        Run = run;
        Calls = calls;
        Faults = faults;
    }

    /// <summary>What the command did.</summary>
    public XstateProcess Run { get; }

    /// <summary>How many calls of each family it made on files of the folder.</summary>
    public Dictionary<string, int> Calls { get; }

    /// <summary>How many of them were changed.</summary>
    public int Faults { get; }

    /// <summary>Runs the command.</summary>
    /// <param name="folder">The folder of its outputs.</param>
    /// <param name="plan">What happens to which call, as faults/shim.c has it.</param>
    /// <param name="arguments">The command line.</param>
    public static Task<FaultShim> Perform(string folder, string plan, string[] arguments) =>
        Perform(folder, plan, XstateProcess.StartInfo(arguments));

    /// <summary>Runs a line of a shell, in which every program has the shim.</summary>
    /// <param name="folder">The folder of its outputs.</param>
    /// <param name="plan">What happens to which call, as faults/shim.c has it.</param>
    /// <param name="line">The line.</param>
    public static Task<FaultShim> PerformShell(string folder, string plan, string line)
    {
        ProcessStartInfo start = XstateProcess.StartInfo();
        start.FileName = "/bin/sh";
        start.ArgumentList.Clear();
        start.ArgumentList.Add("-c");
        start.ArgumentList.Add(line);
        return Perform(folder, plan, start);
    }

    /// <summary>Preloads it into a program that is to be started.</summary>
    /// <param name="start">The program.</param>
    /// <param name="folder">The folder of its outputs.</param>
    /// <param name="plan">What happens to which call, as faults/shim.c has it.</param>
    public static void Preload(ProcessStartInfo start, string folder, string plan)
    {
        start.Environment["LD_PRELOAD"] = Library.Value;
        start.Environment["FAULT_FOLDER"] = folder;
        start.Environment["FAULT_PLAN"] = plan;
    }

    private static async Task<FaultShim> Perform(string folder, string plan, ProcessStartInfo start)
    {
        string log = Path.Combine(Path.GetDirectoryName(Library.Value)!, Path.GetRandomFileName());
        Preload(start, folder, plan);
        start.Environment["FAULT_LOG"] = log;
        using Process process = Process.Start(start)!;
        process.StandardInput.Close();
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        string[][] lines = [.. (await File.ReadAllLinesAsync(log, TestContext.Current.CancellationToken)).Select(line => line.Split(' '))];
        File.Delete(log);
        return new FaultShim(
            new XstateProcess(process.ExitCode, await output, await error),
            lines.GroupBy(line => line[0]).ToDictionary(family => family.Key, family => family.Max(Number)),
            lines.Count(line => line[2] == "fault"));
    }

    private static int Number(string[] line) => int.Parse(line[1], CultureInfo.InvariantCulture);

    private static string Build()
    {
        string compiler = ExternalTool.Require("gcc");
        string library = Path.Combine(Directory.CreateTempSubdirectory("xstate-faults-").FullName, "shim.so");
        string output = ExternalTool.Run(compiler, "-shared", "-fPIC", "-O1", "-Wall", Repository.PathOf("tests", "faults", "shim.c"),
            "-o", library, "-ldl");
        Assert.SkipUnless(File.Exists(library), $"gcc cannot build the shim here, which needs glibc: {output}");
        return library;
    }
}
