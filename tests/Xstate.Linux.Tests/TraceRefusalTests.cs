using System.Diagnostics;
using System.Globalization;
using Xstate.Hypervisors;
using Xstate.Linux.Tracing;

namespace Xstate.Linux.Tests;

/// <summary>The causes behind ptrace's one EPERM, told apart: on a made-up /proc, and on this machine where it can show them.</summary>
public sealed class TraceRefusalTests : IDisposable
{
    private const string Capable = "00000000000c0000";
    private readonly string _proc = Directory.CreateTempSubdirectory("xstate-proc-").FullName;

    public void Dispose() => Directory.Delete(_proc, recursive: true);

    [Theory]
    [InlineData("State:\tZ (zombie)\nPPid:\t7\nTracerPid:\t9\nUid:\t0\t0\t0\t0",
        "process 5 is a zombie: it has ended and has no registers any more; its parent 7 has not asked for its exit status")]
    [InlineData("State:\tI (idle)\nTracerPid:\t0\nUid:\t0\t0\t0\t0\nKthread:\t1", "5 is a kernel thread, which has no user registers")]
    [InlineData("State:\tt (tracing stop)\nTracerPid:\t9\nUid:\t0\t0\t0\t0\nKthread:\t0",
        "process 5 is already traced by process 9 (gdb); a thread has one tracer at a time")]
    [InlineData("State:\tt (tracing stop)\nTracerPid:\t8\nUid:\t1\t1\t1\t1\nKthread:\t0",
        "process 5 is already traced by process 8; a thread has one tracer at a time")]
    [InlineData("State:\tS (sleeping)\nTracerPid:\t0\nUid:\t7\t7\t7\t7\nKthread:\t0",
        "process 5 belongs to user 7 and this one to 1000: run as that user or with CAP_SYS_PTRACE")]
    public void Each_cause_has_its_own_words(string status, string expected)
    {
        Write("5/status", status);
        Write("9/comm", "gdb");
        Write("self/status", "Uid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000");
        Assert.Equal(expected, TraceRefusal.Explain(5, Errno.EPERM, _proc));
    }

    [Theory]
    [InlineData("0000000000000000", "1",
        "Yama's ptrace_scope is 1: without CAP_SYS_PTRACE only descendants may be traced (sysctl kernel.yama.ptrace_scope)")]
    [InlineData("0000000000000000", "2",
        "Yama's ptrace_scope is 2: only a process with CAP_SYS_PTRACE may trace (sysctl kernel.yama.ptrace_scope)")]
    [InlineData("0000000000000000", "3",
        "Yama's ptrace_scope is 3: nobody may trace until the next boot (sysctl kernel.yama.ptrace_scope)")]
    [InlineData(Capable, "3", "Yama's ptrace_scope is 3: nobody may trace until the next boot (sysctl kernel.yama.ptrace_scope)")]
    [InlineData(Capable, "1", null)]
    [InlineData(Capable, null, null)]
    [InlineData("0000000000000000", "0",
        "process 5 may not be looked into: it changed its user, cannot be dumped (prctl PR_SET_DUMPABLE) "
        + "or is in another user namespace; CAP_SYS_PTRACE would permit it")]
    [InlineData("0000000000000000", null,
        "process 5 may not be looked into: it changed its user, cannot be dumped (prctl PR_SET_DUMPABLE) "
        + "or is in another user namespace; CAP_SYS_PTRACE would permit it")]
    public void Yama_is_named_where_it_is_what_forbids(string capabilities, string? scope, string? expected)
    {
        Write("5/status", "State:\tS (sleeping)\nTracerPid:\t0\nUid:\t1000\t1000\t1000\t1000");
        Write("5/stat", "5 (a) b) S 1 1 1 0 -1 4194304 0");
        Write("self/status", $"Uid:\t1000\t1000\t1000\t1000\nCapEff:\t{capabilities}");
        if (scope is not null)
        {
            Write("sys/kernel/yama/ptrace_scope", scope);
        }

        Assert.Equal(expected, TraceRefusal.Explain(5, Errno.EPERM, _proc));
    }

    [Fact]
    public void Up_to_6_7_the_flags_in_stat_tell_a_kernel_thread()
    {
        Write("5/status", "State:\tS (sleeping)\nTracerPid:\t0\nUid:\t0\t0\t0\t0");
        Write("5/stat", "5 (kworker/0:1) 2) I 2 0 0 0 -1 69238880 0 0");
        Assert.Equal("5 is a kernel thread, which has no user registers", TraceRefusal.Explain(5, Errno.EPERM, _proc));
    }

    [Fact]
    public void What_proc_does_not_tell_is_not_made_up()
    {
        Assert.Null(TraceRefusal.Explain(5, Errno.EPERM, _proc));
        Assert.Equal("there is no process 5", TraceRefusal.Explain(5, Errno.ESRCH, _proc));
        Write("5/status", "State:\tZ (zombie)");
        Assert.Null(TraceRefusal.Explain(5, Errno.EIO, _proc));
    }

    [Fact]
    public void A_zombie_of_this_machine_is_called_one()
    {
        ProcessStartInfo start = new("/bin/sh", ["-c", "sleep 0.3 & echo $!; exec sleep 600"])
        {
            RedirectStandardOutput = true,
            UseShellExecute = false
        };
        using Process parent = Process.Start(start)!;
        int id = int.Parse(parent.StandardOutput.ReadLine()!, CultureInfo.InvariantCulture);
        try
        {
            // The shell has become the sleeping parent by then, which never waits for it.
            SpinWait.SpinUntil(() => File.ReadAllText($"/proc/{id}/status").Contains("State:\tZ", StringComparison.Ordinal),
                TimeSpan.FromMinutes(1));
            LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(id).Read());
            Assert.Equal(Errno.EPERM, refusal.Errno);
            Assert.Contains($"process {id} is a zombie", refusal.Message, StringComparison.Ordinal);
            Assert.Contains($"its parent {parent.Id} has not asked", refusal.Message, StringComparison.Ordinal);
        }
        finally
        {
            parent.Kill();
            parent.WaitForExit();
        }
    }

    [Fact]
    public void A_process_that_another_one_traces_is_told_with_the_tracer()
    {
        using SleepingChild child = new();
        using TracerThread tracer = new("holds");
        Assert.True(tracer.Perform(() => TracedThread.TrySeize(child.Id, killWithTracer: false, out TracedThread? thread) == Errno.None
            && thread is not null));
        LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(child.Id).Read());
        Assert.Equal(Errno.EPERM, refusal.Errno);
        Assert.Matches($"process {child.Id} is already traced by process [0-9]+ \\(", refusal.Message);
        LinuxException write = Assert.Throws<LinuxException>(() =>
            new LiveProcess(child.Id).Set([Transforms.RegisterEdit.Parse("mxcsr=0x3f80")]));
        Assert.Contains("is already traced by process", write.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_kernel_thread_of_this_machine_is_called_one()
    {
        const int Kthreadd = 2;
        Assert.SkipUnless(File.Exists("/proc/2/comm") && File.ReadAllText("/proc/2/comm").Trim() == "kthreadd",
            "no kernel thread is visible here: a machine without a process namespace would run this");
        LinuxException refusal = Assert.Throws<LinuxException>(() => new LiveProcess(Kthreadd).Read());
        Assert.Equal(Errno.EPERM, refusal.Errno);
        Assert.Contains("2 is a kernel thread", refusal.Message, StringComparison.Ordinal);
    }

    private void Write(string path, string text)
    {
        string file = Path.Combine(_proc, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text + "\n");
    }
}
