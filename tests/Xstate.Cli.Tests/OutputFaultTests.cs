using System.Diagnostics;
using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// The system calls of an output one by one: each of them is where the process is killed. strace does that. What is held is what users see:
/// the input as it was, outputs whole or not there, never one without its undo file, and nothing else in the folder. Calls that fail are in
/// <see cref="OutputErrorTests"/>.
/// </summary>
public sealed partial class OutputFaultTests
{
    // What opens, fills, finishes and names an output.
    private const string Calls = "pwrite64,ftruncate,fsync,linkat,rename,renameat2,fchmod,fchown,unlink,lseek";

    public OutputFaultTests()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "system calls are Linux's here");
        ExternalTool.Require("strace");
    }

    public static TheoryData<string> Writes => OutputCase.All;

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task A_kill_at_any_system_call_of_an_output_leaves_each_file_old_or_new(string write)
    {
        using OutputCase output = new(write);
        (Dictionary<string, int> calls, Dictionary<string, byte[]> after) = await Undisturbed(output);
        int kills = 0;
        foreach ((string call, int count) in calls)
        {
            for (int number = 1; number <= count; number++)
            {
                Dictionary<string, byte[]> before = await output.Prepare();
                await Strace(["-o", "/dev/null", "-e", $"inject={call}:signal=KILL:when={number}"], output.Arguments);
                kills++;
                Dictionary<string, byte[]> now = output.Content();
                string where = $"killed at {call} {number}: {string.Join(' ', now.Keys)}";
                foreach (string name in now.Keys.Where(OutputCase.IsTemporary))
                {
                    // Complete, and its owner's alone.
                    Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows() ? default
                        : File.GetUnixFileMode(output.PathOf(name)));
                    Assert.True(after.Values.Any(whole => whole.AsSpan().SequenceEqual(now[name])), where);
                }

                foreach (string name in before.Keys.Union(after.Keys).Union(now.Keys.Where(name => !OutputCase.IsTemporary(name))))
                {
                    Assert.True(OutputCase.Same(now, before, name) || OutputCase.Same(now, after, name), $"{name}, {where}");
                }

                // An output that can be undone is never there without its undo file.
                Assert.True(!after.ContainsKey("out.undo.json") || !OutputCase.Same(now, after, "out") || now.ContainsKey("out.undo.json"), where);
            }
        }

        Assert.True(kills >= (output.IsInPlace ? 2 : 3), $"{kills} kills at {string.Join(' ', calls)}");
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Where_a_file_needs_a_name_from_the_start_a_signal_leaves_none(string signal)
    {
        using Scratch scratch = new();

        // Long enough that the temporary file is seen while it is written.
        string core = scratch.Write("core", new CoreBuilder { Memories = 1, MemoryLength = 150_000_000 }.Thread(7).Area(new byte[576]).Build());
        Assert.Equal(0, (await XstateProcess.Run("show", core)).ExitCode);
        int interrupted = 0;
        for (int run = 0; run < 4; run++)
        {
            using FileSystemWatcher watcher = new(scratch.Folder, ".xstate-*");
            using SemaphoreSlim seen = new(0);
            watcher.Created += (_, _) => seen.Release();
            watcher.EnableRaisingEvents = true;
            ProcessStartInfo command = XstateProcess.StartInfo("set", core, "mxcsr=0x1f81", "-o", scratch.PathOf("out"));

            // The only call that is made with the folder's own path is the one for a file without a name.
            ProcessStartInfo start = new("strace", ["-f", "-P", scratch.Folder, "-e", "trace=openat", "-e", "inject=openat:error=EOPNOTSUPP", "-o", "/dev/null", "env", "--default-signal=INT", command.FileName, .. command.ArgumentList])
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
            interrupted += File.Exists(scratch.PathOf("out")) ? 0 : 1;
            Assert.DoesNotContain(scratch.Names, name => name.StartsWith(".xstate-", StringComparison.Ordinal));
            File.Delete(scratch.PathOf("out"));
        }

        Assert.True(interrupted > 0, "every run had ended before the signal came");
    }

    // The calls of the main thread on outputs, counted in a run that nothing disturbs, and what that run leaves.
    private static async Task<(Dictionary<string, int> Calls, Dictionary<string, byte[]> After)> Undisturbed(OutputCase output)
    {
        await output.Prepare();
        string log = output.PathOf("log");
        XstateProcess run = await Strace(["-o", log], output.Arguments);
        Assert.True(run.ExitCode is 0 or 1, run.Error);
        string[] lines = await File.ReadAllLinesAsync(log, TestContext.Current.CancellationToken);
        File.Delete(log);

        // strace counts by thread, and one thread writes: the one that synchronises.
        string thread = Thread().Match(lines.Last(line => line.Contains("fsync(", StringComparison.Ordinal))).Value;
        Dictionary<string, int> calls = lines.Where(line => line.StartsWith(thread + " ", StringComparison.Ordinal))
            .Select(line => Call().Match(line)).Where(match => match.Success)
            .GroupBy(match => match.Groups["call"].Value).ToDictionary(group => group.Key, group => group.Count());
        Assert.SkipWhen(!output.IsInPlace && calls.GetValueOrDefault("linkat") == 0, "this file system has no files without a name (O_TMPFILE)");
        return (calls, output.Content());
    }

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

    [GeneratedRegex(@"^\d+", RegexOptions.None, 1000)]
    private static partial Regex Thread();

    [GeneratedRegex(@"^\d+ +(?<call>[a-z0-9]+)\(", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Call();
}
