using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>A running process where other verbs take a file.</summary>
public sealed partial class LiveProcessTests : IDisposable
{
    private readonly Process? _sleeper = OperatingSystem.IsLinux() ? Process.Start("sleep", "1000") : null;

    private string Pid
    {
        get
        {
            Assert.SkipUnless(_sleeper is not null, "ptrace is Linux's");
            return _sleeper.Id.ToString(CultureInfo.InvariantCulture);
        }
    }

    [Fact]
    public async Task Show_reads_a_running_process_as_it_would_a_core_of_it()
    {
        XstateProcess run = await Traced("show", "--pid", Pid, "--json");
        Assert.Empty(new JsonSchema("show.answer.schema.json").Errors(run.Json));
        Assert.Equal("process", run.Json.GetProperty("format").GetString());
        JsonElement thread = Assert.Single(run.Json.GetProperty("threads").EnumerateArray());
        Assert.Equal(Pid, thread.GetProperty("tid").ToString());
        Assert.Equal("cpuid", thread.GetProperty("layout").GetProperty("source").GetString());
        Assert.Equal("0x1f80", thread.GetProperty("registers").GetProperty("mxcsr").GetString());
        Assert.Equal("0x37f", thread.GetProperty("registers").GetProperty("fcw").GetString());
        AssertUntouched();
    }

    [Fact]
    public async Task All_threads_of_a_process_with_many_are_read()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ptrace is Linux's");
        HashSet<string> before = Threads();
        XstateProcess run = await Traced("show", $"--pid={Environment.ProcessId}", "--json");
        HashSet<string> read = [.. run.Json.GetProperty("threads").EnumerateArray().Select(thread => thread.GetProperty("tid").ToString())];
        Assert.True(read.Count > 3, $"{read.Count} threads");

        // Threads come and go; those that are there before and after were there in between.
        Assert.Empty(before.Intersect(Threads()).Except(read));

        static HashSet<string> Threads() => [.. Directory.GetDirectories("/proc/self/task").Select(folder => Path.GetFileName(folder)!)];
    }

    [Fact]
    public async Task Two_readings_of_a_sleeping_process_do_not_differ()
    {
        XstateProcess run = await Traced("diff", "--pid", Pid, $"pid:{Pid}");
        Assert.Equal(0, run.ExitCode);
        AssertUntouched();
    }

    [Fact]
    public async Task Check_rehearses_the_state_of_a_running_process()
    {
        XstateProcess run = await Traced("check", "--pid", Pid, "--on", "local", "--json");
        Assert.Equal(1, run.Json.GetProperty("targets").GetArrayLength());
    }

    [Fact]
    public async Task Gdb_prints_the_same_registers()
    {
        XstateProcess run = await Traced("show", "--pid", Pid, "--json");
        JsonElement registers = run.Json.GetProperty("threads")[0].GetProperty("registers");
        string[] names = registers.TryGetProperty("pkru", out _) ? ["mxcsr", "pkru"] : ["mxcsr"];
        foreach (string name in names)
        {
            Assert.Equal(await Gdb(name), registers.GetProperty(name).GetString());
        }

        AssertUntouched();
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("0")]
    [InlineData("-1")]
    public async Task What_is_no_process_id_is_a_usage_error(string pid)
    {
        XstateProcess run = await XstateProcess.Run("show", "--pid", pid);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains($"--pid takes a process id, not '{pid}'", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_process_that_is_gone_is_the_machine_s_refusal()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "ptrace is Linux's");
        XstateProcess run = await XstateProcess.Run("show", "--pid", "2147483647");
        Assert.Equal(4, run.ExitCode);
        Assert.Contains("ESRCH", run.Error, StringComparison.Ordinal);
    }

    public void Dispose()
    {
        _sleeper?.Kill();
        _sleeper?.Dispose();
    }

    // Where Yama lets a process trace its descendants only, the command may not trace its sibling.
    private static async Task<XstateProcess> Traced(params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.SkipWhen(run.ExitCode == 4 && run.Error.Contains("EPERM", StringComparison.Ordinal), $"this machine does not allow it: {run.Error.Trim()}");
        Assert.InRange(run.ExitCode, 0, 1);
        return run;
    }

    private void AssertUntouched()
    {
        Assert.False(_sleeper!.HasExited);
        string status = File.ReadAllText($"/proc/{Pid}/status");
        Assert.Contains("TracerPid:\t0\n", status, StringComparison.Ordinal);
    }

    private async Task<string> Gdb(string register)
    {
        ProcessStartInfo start = new("gdb") { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        foreach (string argument in (ReadOnlySpan<string>)["-nx", "-batch", "-p", Pid, "-ex", $"p/x ${register}"])
        {
            start.ArgumentList.Add(argument);
        }

        try
        {
            using Process gdb = Process.Start(start)!;
            Task<string> error = gdb.StandardError.ReadToEndAsync();
            string output = await gdb.StandardOutput.ReadToEndAsync();
            await gdb.WaitForExitAsync();
            await error;
            Match value = Value().Match(output);
            Assert.SkipUnless(value.Success, $"gdb did not answer: {output} {await error}");
            return value.Groups["value"].Value;
        }
        catch (System.ComponentModel.Win32Exception missing)
        {
            Assert.Skip($"needs gdb: {missing.Message}");
            throw;
        }
    }

    [GeneratedRegex(@"^\$1 = (?<value>0x[0-9a-f]+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Value();
}
