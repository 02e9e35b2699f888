using System.Diagnostics;
using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// The system calls of an output one by one: each of them fails, or is where the process is killed. strace injects that. What is held is
/// what users see: the input as it was, outputs whole or not
/// there, never one without its undo file, and nothing else in the folder.
/// </summary>
public sealed partial class OutputFaultTests : IDisposable
{
    private const string Host = "samples/hosts/intel-skylake-sp.json@linux-6.1.40";

    // What opens, fills, finishes and names an output.
    private const string Calls = "pwrite64,ftruncate,fsync,linkat,rename,renameat2,fchmod,fchown,unlink,lseek";

    private readonly Scratch _scratch = new();
    private readonly string _input;
    private byte[] _fixed = [];
    private byte[] _undo = [];

    public OutputFaultTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "system calls are Linux's here");
        ExternalTool.Require("strace");
        _input = _scratch.Copy("samples/captures/leaked-pkru.json", "in.json");
    }

    public void Dispose() => _scratch.Dispose();

    /// <summary>Every way in which a verb writes a file.</summary>
    public static TheoryData<string> Writes => ["fix", "fix --force", "fix --undo", "set", "set --in-place",
        "set --in-place of other length", "convert", "lint --fix", "lint --fix --force"];

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task A_kill_at_any_system_call_of_an_output_leaves_each_file_old_or_new(string write)
    {
        string[] arguments = Arguments(write);
        (Dictionary<string, int> calls, Dictionary<string, byte[]> after) = await Undisturbed(write, arguments);
        int kills = 0;
        foreach ((string call, int count) in calls)
        {
            for (int number = 1; number <= count; number++)
            {
                Dictionary<string, byte[]> before = Prepare(write);
                await Inject(arguments, $"{call}:signal=KILL:when={number}");
                kills++;
                Dictionary<string, byte[]> now = Content();
                string where = $"killed at {call} {number}: {string.Join(' ', now.Keys)}";
                foreach (string name in now.Keys.Where(IsTemporary))
                {
                    // Complete, and its owner's alone.
                    Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default
                        : File.GetUnixFileMode(_scratch.PathOf(name)));
                    Assert.True(after.Values.Any(whole => whole.AsSpan().SequenceEqual(now[name])), where);
                }

                foreach (string name in before.Keys.Union(after.Keys).Union(now.Keys.Where(name => !IsTemporary(name))))
                {
                    Assert.True(Same(now, before, name) || Same(now, after, name), $"{name}, {where}");
                }

                // An output that can be undone is never there without its undo file.
                Assert.True(!after.ContainsKey("out.undo.json") || !Same(now, after, "out") || now.ContainsKey("out.undo.json"), where);
            }
        }

        Assert.True(kills >= (write == "set --in-place" ? 2 : 3), $"{kills} kills at {string.Join(' ', calls)}");
    }

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task An_error_of_any_call_of_an_output_is_told_and_leaves_everything_as_it_was(string write)
    {
        string[] arguments = Arguments(write);
        (Dictionary<string, int> calls, Dictionary<string, byte[]> after) = await Undisturbed(write, arguments);
        int errors = 0;
        (string Errno, string Reason)[] faults = [("EIO", "Input/output error"), ("ENOSPC", "No space left on device")];
        foreach ((string errno, string reason) in faults)
        {
            foreach (string call in (string[])["pwrite64", "fsync", "linkat", "rename", "renameat2"])
            {
                for (int number = 1; number <= calls.GetValueOrDefault(call); number++)
                {
                    Dictionary<string, byte[]> before = Prepare(write);
                    XstateProcess run = await Inject(arguments, $"{call}:error={errno}:when={number}");
                    errors++;
                    string where = $"{errno} at {call} {number}: {run.ExitCode} {run.Error}";
                    Assert.True(run.ExitCode == 5, where);
                    Match told = Cannot().Match(run.Error);
                    Assert.True(told.Success && Path.GetDirectoryName(told.Groups["file"].Value) == _scratch.Folder
                        && told.Groups["reason"].Value == reason, where);
                    Assert.DoesNotContain(".xstate-", run.Error, StringComparison.Ordinal);
                    Dictionary<string, byte[]> now = Content();

                    // Bytes that were changed where they are stay changed when only the disk did not take them; nothing else is left of a
                    // run that failed.
                    bool isChangedInPlace = write == "set --in-place" && call == "fsync";
                    Assert.All(before.Keys.Union(now.Keys), name =>
                        Assert.True(Same(now, before, name) || (isChangedInPlace && Same(now, after, name)), $"{name}, {where}"));
                }
            }
        }

        Assert.True(errors >= 4, $"{errors} errors at {string.Join(' ', calls)}");
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Where_a_file_needs_a_name_from_the_start_a_signal_leaves_none(string signal)
    {
        // Long enough that the temporary file is seen while it is written.
        string core = _scratch.Write("core", new CoreBuilder { Memories = 1, MemoryLength = 150_000_000 }.Thread(7).Area(new byte[576]).Build());
        Assert.Equal(0, (await XstateProcess.Run("show", core)).ExitCode);
        int interrupted = 0;
        for (int run = 0; run < 4; run++)
        {
            using FileSystemWatcher watcher = new(_scratch.Folder, ".xstate-*");
            using SemaphoreSlim seen = new(0);
            watcher.Created += (_, _) => seen.Release();
            watcher.EnableRaisingEvents = true;
            ProcessStartInfo command = XstateProcess.StartInfo("set", core, "mxcsr=0x1f81", "-o", _scratch.PathOf("out"));

            // The only call that is made with the folder's own path is the one for a file without a name.
            ProcessStartInfo start = new("strace", ["-f", "-P", _scratch.Folder, "-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP", "-o", "/dev/null", "env", "--default-signal=INT", command.FileName, .. command.ArgumentList])
            {
                WorkingDirectory = Repository.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            };
            using Process process = Process.Start(start)!;
            bool appeared = await seen.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
            Assert.True(appeared, "no temporary file appeared");
            string child = (await File.ReadAllTextAsync($"/proc/{process.Id}/task/{process.Id}/children", TestContext.Current.CancellationToken)).Trim();
            ExternalTool.Run("kill", $"-{signal}", child);
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            interrupted += File.Exists(_scratch.PathOf("out")) ? 0 : 1;
            Assert.DoesNotContain(_scratch.Names, name => name.StartsWith(".xstate-", StringComparison.Ordinal));
            File.Delete(_scratch.PathOf("out"));
        }

        Assert.True(interrupted > 0, "every run had ended before the signal came");
    }

    private string[] Arguments(string write) => write switch
    {
        "fix" => ["fix", In("in.json"), "--on", Host, "-o", In("out")],
        "fix --force" => ["fix", In("in.json"), "--on", Host, "-o", In("out"), "--force"],
        "fix --undo" => ["fix", In("fixed"), "--undo", "-o", In("out")],
        "set" => ["set", In("in.json"), "pkru=0x4", "-o", In("out")],

        // A core has MXCSR in two notes.
        "set --in-place" => ["set", In("core"), "mxcsr=0x1f81", "--in-place"],
        "set --in-place of other length" => ["set", In("in.json"), "pkru=0", "--in-place"],
        "convert" => ["convert", In("in.json"), "--to", "kvm_xsave", "-o", In("out")],
        "lint --fix" => ["lint", In("cpu.json"), "--fix", "-o", In("out")],
        _ => ["lint", In("cpu.json"), "--fix", "-o", In("out"), "--force"],
    };

    private string In(string name) => _scratch.PathOf(name);

    private static bool IsTemporary(string name) => name.StartsWith(".xstate-", StringComparison.Ordinal);

    private static bool Same(Dictionary<string, byte[]> a, Dictionary<string, byte[]> b, string name) =>
        a.GetValueOrDefault(name) is { } bytes ? b.GetValueOrDefault(name) is { } others && bytes.AsSpan().SequenceEqual(others)
            : !b.ContainsKey(name);

    private Dictionary<string, byte[]> Content() => _scratch.Names.ToDictionary(name => name, name => File.ReadAllBytes(In(name)));

    // The calls of the main thread on outputs, counted in a run that nothing disturbs, and what that run leaves.
    private async Task<(Dictionary<string, int> Calls, Dictionary<string, byte[]> After)> Undisturbed(string write, string[] arguments)
    {
        if (write == "fix --undo")
        {
            Assert.Equal(0, (await XstateProcess.Run("fix", _input, "--on", Host, "-o", In("kept"))).ExitCode);
            (_fixed, _undo) = (await File.ReadAllBytesAsync(In("kept"), TestContext.Current.CancellationToken),
                await File.ReadAllBytesAsync(In("kept.undo.json"), TestContext.Current.CancellationToken));
        }

        Prepare(write);
        string log = In("log");
        XstateProcess run = await Strace(["-o", log], arguments);
        Assert.True(run.ExitCode is 0 or 1, run.Error);
        string[] lines = await File.ReadAllLinesAsync(log, TestContext.Current.CancellationToken);
        File.Delete(log);

        // strace counts by thread, and one thread writes: the one that synchronises.
        string thread = Thread().Match(lines.Last(line => line.Contains("fsync(", StringComparison.Ordinal))).Value;
        Dictionary<string, int> calls = lines.Where(line => line.StartsWith(thread + " ", StringComparison.Ordinal)).Select(line => Call().Match(line)).Where(match => match.Success)
            .GroupBy(match => match.Groups["call"].Value).ToDictionary(group => group.Key, group => group.Count());
        Assert.SkipWhen(!write.Contains("--in-place", StringComparison.Ordinal) && calls.GetValueOrDefault("linkat") == 0,
            "this file system has no files without a name (O_TMPFILE)");
        return (calls, Content());
    }

    private Dictionary<string, byte[]> Prepare(string write)
    {
        foreach (string name in _scratch.Names)
        {
            File.Delete(In(name));
        }

        _scratch.Copy("samples/captures/leaked-pkru.json", "in.json");
        switch (write)
        {
            case "fix --force" or "lint --fix --force":
                _scratch.Write("out", "old"u8);
                break;
            case "fix --undo":
                _scratch.Write("fixed", _fixed);
                _scratch.Write("fixed.undo.json", _undo);
                break;
            case "set --in-place":
                byte[] area = new byte[832];
                area[512] = 7;
                area[24] = 0x80;
                area[25] = 0x1F;
                _scratch.Write("core", new CoreBuilder().Auxv((51, 832)).Thread(7).FpRegisters(area[..512]).Area(area).Build());
                break;
        }

        if (write.StartsWith("lint", StringComparison.Ordinal))
        {
            _scratch.Copy("samples/hosts/intel-skylake-sp.json", "cpu.json");
        }

        return Content();
    }

    private Task<XstateProcess> Inject(string[] arguments, string fault) => Strace(["-o", "/dev/null", "-e", $"inject={fault}"], arguments);

    private static async Task<XstateProcess> Strace(string[] options, string[] arguments)
    {
        ProcessStartInfo command = XstateProcess.StartInfo(arguments);
        command.RedirectStandardInput = false;
        ProcessStartInfo start = new("strace", ["-f", "--seccomp-bpf", "-e", $"trace={Calls}", .. options, command.FileName,
            .. command.ArgumentList])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return new XstateProcess(process.ExitCode, await output, await error);
    }

    [GeneratedRegex(@"^xstate: cannot write (?<file>.*): (?<reason>[^:]*)\n$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Cannot();

    [GeneratedRegex(@"^\d+", RegexOptions.None, 1000)]
    private static partial Regex Thread();

    [GeneratedRegex(@"^\d+ +(?<call>[a-z0-9]+)\(", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Call();
}
