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

    public OutputFaultTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "system calls are Linux's here");
        ExternalTool.Require("strace");
        _input = _scratch.Copy("samples/captures/leaked-pkru.json", "in.json");
    }

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_kill_at_any_system_call_of_an_output_leaves_it_whole_or_not_there(bool force)
    {
        Dictionary<string, int> calls = await Count(force);
        byte[] output = await File.ReadAllBytesAsync(_scratch.PathOf("out"), TestContext.Current.CancellationToken);
        byte[] undo = await File.ReadAllBytesAsync(_scratch.PathOf("out.undo.json"), TestContext.Current.CancellationToken);
        int kills = 0;
        foreach ((string call, int count) in calls)
        {
            for (int number = 1; number <= count; number++)
            {
                Prepare(force);
                await Inject(force, $"{call}:signal=KILL:when={number}");
                kills++;
                string where = $"killed at {call} {number}: {string.Join(' ', _scratch.Names)}";
                bool isNew = File.Exists(_scratch.PathOf("out")) && File.ReadAllBytes(_scratch.PathOf("out")).AsSpan().SequenceEqual(output);
                bool isOld = force ? File.Exists(_scratch.PathOf("out")) && File.ReadAllText(_scratch.PathOf("out")) == "old" : !File.Exists(_scratch.PathOf("out"));
                bool hasUndo = File.Exists(_scratch.PathOf("out.undo.json"));
                Assert.True(isNew || isOld, where);
                Assert.True(!isNew || hasUndo, where);
                Assert.True(!hasUndo || File.ReadAllBytes(_scratch.PathOf("out.undo.json")).AsSpan().SequenceEqual(undo), where);
                AssertInput(where);
                foreach (string left in _scratch.Names.Where(name => name.StartsWith(".xstate-", StringComparison.Ordinal)))
                {
                    // Complete, and its owner's alone.
                    Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default : File.GetUnixFileMode(_scratch.PathOf(left)));
                    byte[] bytes = await File.ReadAllBytesAsync(_scratch.PathOf(left), TestContext.Current.CancellationToken);
                    Assert.True(bytes.AsSpan().SequenceEqual(output) || bytes.AsSpan().SequenceEqual(undo), where);
                }
            }
        }

        Assert.True(kills >= 6, $"{kills} kills at {string.Join(' ', calls)}");
    }

    [Theory]
    [InlineData("ENOSPC", "No space left on device")]
    [InlineData("EIO", "Input/output error")]
    public async Task An_error_of_any_write_of_an_output_is_told_and_leaves_nothing(string errno, string reason)
    {
        Dictionary<string, int> calls = await Count(force: false);
        foreach (string call in (string[])["pwrite64", "fsync", "linkat"])
        {
            for (int number = 1; number <= calls.GetValueOrDefault(call); number++)
            {
                Prepare(force: false);
                XstateProcess run = await Inject(force: false, $"{call}:error={errno}:when={number}");
                string where = $"{errno} at {call} {number}: {run.ExitCode} {run.Error}";
                Assert.True(run.ExitCode == 5, where);
                Assert.Matches($"^xstate: cannot write {Regex.Escape(_scratch.PathOf("out"))}(.undo.json)?: {reason}\n$", run.Error);
                Assert.Equal(["in.json"], _scratch.Names);
                AssertInput(where);
            }
        }
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

    // The calls of the main thread on outputs, counted in a run that nothing disturbs.
    private async Task<Dictionary<string, int>> Count(bool force)
    {
        Prepare(force);
        string log = _scratch.PathOf("log");
        await Strace(["-o", log], force);
        string[] lines = await File.ReadAllLinesAsync(log, TestContext.Current.CancellationToken);
        File.Delete(log);

        // strace counts by thread, and one thread writes: the one that synchronises.
        string thread = Thread().Match(lines.Last(line => line.Contains("fsync(", StringComparison.Ordinal))).Value;
        Dictionary<string, int> calls = lines.Where(line => line.StartsWith(thread + " ", StringComparison.Ordinal)).Select(line => Call().Match(line)).Where(match => match.Success)
            .GroupBy(match => match.Groups["call"].Value).ToDictionary(group => group.Key, group => group.Count());
        Assert.SkipWhen(calls.GetValueOrDefault("linkat") == 0, "this file system has no files without a name (O_TMPFILE)");
        return calls;
    }

    private void Prepare(bool force)
    {
        foreach (string name in _scratch.Names.Where(name => name != "in.json"))
        {
            File.Delete(_scratch.PathOf(name));
        }

        if (force)
        {
            _scratch.Write("out", "old"u8);
        }
    }

    private void AssertInput(string where) =>
        Assert.True(File.ReadAllBytes(_input).AsSpan().SequenceEqual(File.ReadAllBytes(Repository.PathOf("samples", "captures", "leaked-pkru.json"))), where);

    private Task<XstateProcess> Inject(bool force, string fault) => Strace(["-o", "/dev/null", "-e", $"inject={fault}"], force);

    private async Task<XstateProcess> Strace(string[] options, bool force)
    {
        ProcessStartInfo command = XstateProcess.StartInfo("fix", _input, "--on", Host, "-o", _scratch.PathOf("out"));
        command.RedirectStandardInput = false;
        ProcessStartInfo start = new("strace", ["-f", "--seccomp-bpf", "-e", $"trace={Calls}", .. options, command.FileName, .. command.ArgumentList, .. force ? ["--force"] : (string[])[]])
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

    [GeneratedRegex(@"^\d+", RegexOptions.None, 1000)]
    private static partial Regex Thread();

    [GeneratedRegex(@"^\d+ +(?<call>[a-z0-9]+)\(", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Call();
}
