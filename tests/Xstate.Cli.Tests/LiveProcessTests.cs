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
    public async Task What_is_written_of_a_running_process_is_its_owner_s()
    {
        // Whatever the umask gives others, and as it was where a file is replaced.
        using Scratch scratch = new();
        foreach (string format in (string[])["xstate-capture", "kvm_xsave"])
        {
            XstateProcess run = await Shell.Run(
                $"umask 000; xstate convert --pid {Pid} --to {format} -o {scratch.PathOf(format)}; exit $?");
            Assert.SkipWhen(run.ExitCode == 4 && run.Error.Contains("EPERM", StringComparison.Ordinal), run.Error);
            Assert.True(run.ExitCode == 0, run.Error);
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows()
                ? default : File.GetUnixFileMode(scratch.PathOf(format)));
        }

        // There is no file to write back, changed or not.
        foreach (string line in (string[])[$"set --pid {Pid} mxcsr=0x1f81", $"fix --pid {Pid} --on local", $"fix --pid {Pid}"])
        {
            XstateProcess refused = await Shell.Run($"umask 000; xstate {line} -o {scratch.PathOf("none")}; exit $?");
            Assert.Equal(2, refused.ExitCode);
            Assert.Contains("a running process", refused.Error, StringComparison.Ordinal);
        }

        Assert.Equal(["kvm_xsave", "xstate-capture"], scratch.Names);
        AssertUntouched();
    }

    [Fact]
    public async Task The_frame_of_a_signal_that_a_process_was_told_is_shown_and_held_against_this_processor_s()
    {
        byte[] auxv = await File.ReadAllBytesAsync($"/proc/{Pid}/auxv", TestContext.Current.CancellationToken);
        ulong? told = null;
        for (int at = 0; at + 16 <= auxv.Length; at += 16)
        {
            told = BitConverter.ToUInt64(auxv, at) == 51 ? BitConverter.ToUInt64(auxv, at + 8) : told;
        }

        Assert.SkipUnless(told is not null, "the kernel tells it since 5.14");
        XstateProcess text = await Traced("show", "--pid", Pid);
        Assert.Contains($"AT_MINSIGSTKSZ {told}: ", text.Output, StringComparison.Ordinal);
        Assert.Contains("neither cores nor /proc and ptrace tell which alternate stacks threads have", text.Output,
            StringComparison.Ordinal);

        // It started here: what it was told is what this processor's frames take.
        Assert.DoesNotContain("XS1012", text.Output, StringComparison.Ordinal);
        JsonElement host = (await XstateProcess.Run("host", "--json")).Json;
        Assert.Equal(told, (await Traced("show", "--pid", Pid, "--json")).Json.GetProperty("minSignalStack").GetUInt64());
        Assert.Equal(told, host.GetProperty("processor").GetProperty("signalFrame").GetProperty("minSignalStack").GetUInt64());
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

    [Fact]
    public async Task Set_changes_registers_of_a_running_process_and_reads_them_back()
    {
        XstateProcess run = await Traced("set", "--pid", Pid, "mxcsr=0x3f80", "xmm2=0x77", "st1=0102030405060708090a", "--json");
        Assert.Empty(new JsonSchema("set.answer.schema.json").Errors(run.Json));
        Assert.Equal(0, run.ExitCode);
        XstateProcess shown = await Traced("show", "--pid", Pid, "--json");
        JsonElement registers = shown.Json.GetProperty("threads")[0].GetProperty("registers");
        Assert.Equal("0x3f80", registers.GetProperty("mxcsr").GetString());
        Assert.Equal("0102030405060708090a", registers.GetProperty("st1").GetString());
        Assert.Equal("0x3f80", await Gdb("mxcsr"));
        AssertUntouched();
    }

    [Fact]
    public async Task Gdb_sees_the_PKRU_that_was_set()
    {
        await SkipWithoutProtectionKeys();
        XstateProcess run = await Traced("set", "--pid", Pid, "pkru=0x5554");
        if (run.ExitCode == 1)
        {
            Assert.Contains("XS1301", run.Output, StringComparison.Ordinal);
            return;
        }

        Assert.Equal($"{Pid}: pkru from 0x55555554 to 0x5554\n", run.Output);
        Assert.Equal("0x5554", await Gdb("pkru"));
        AssertUntouched();
    }

    [Fact]
    public async Task A_value_that_the_kernel_refuses_is_explained()
    {
        XstateProcess run = await XstateProcess.Run("set", "--pid", Pid, "mxcsr=0xffff0000");
        Assert.SkipWhen(run.Error.Contains("EPERM", StringComparison.Ordinal), run.Error);
        Assert.Equal(4, run.ExitCode);
        Assert.Contains("XS1506 error: MXCSR 0xffff0000 has reserved bits", run.Output, StringComparison.Ordinal);
        Assert.Contains("PTRACE_SETREGSET NT_X86_XSTATE", run.Error, StringComparison.Ordinal);
        AssertUntouched();
    }

    [Theory]
    [InlineData("pkru=0x55555555")]
    [InlineData("pkru=2")]
    public async Task A_PKRU_that_would_kill_the_thread_needs_force(string edit)
    {
        XstateProcess run = await XstateProcess.Run("set", "--pid", Pid, "pkru=0", edit);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("closes key 0", run.Error, StringComparison.Ordinal);
        AssertUntouched();

        await SkipWithoutProtectionKeys();
        XstateProcess forced = await Traced("set", "--pid", Pid, "--force", edit);
        Assert.Contains(forced.ExitCode == 0 ? "XS1304 warning" : "XS1301 error", forced.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("rip=1", "there is no register 'rip'")]
    [InlineData("pkru=1,5", "pkru takes a number")]
    public async Task What_is_no_register_or_value_is_a_usage_error(string edit, string message)
    {
        XstateProcess run = await XstateProcess.Run("set", "--pid", Pid, edit);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
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
        Assert.SkipWhen(run.ExitCode == 4 && run.Error.Contains("EPERM", StringComparison.Ordinal),
            $"this machine does not allow it: {run.Error.Trim()}");
        Assert.InRange(run.ExitCode, 0, 1);
        return run;
    }

    private async Task SkipWithoutProtectionKeys()
    {
        XstateProcess shown = await Traced("show", "--pid", Pid, "--json");
        Assert.SkipUnless(shown.Json.GetProperty("threads")[0].GetProperty("registers").TryGetProperty("pkru", out _),
            "this processor has no protection keys");
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
