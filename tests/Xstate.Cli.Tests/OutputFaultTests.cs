using System.Diagnostics;
using System.Globalization;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// The calls of an output one by one: each of them is where the process is killed. What is held is what users see: the input as it was,
/// outputs whole or not there, never one without its undo file, and nothing else in the folder. Calls that fail are in
/// <see cref="OutputErrorTests"/>.
/// </summary>
public sealed class OutputFaultTests
{
    private const int Killed = 128 + 9;

    public OutputFaultTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "calls of the C library are Linux's here");

    public static TheoryData<string> Writes => OutputCase.All;

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task A_kill_at_any_call_of_an_output_leaves_each_file_old_or_new(string write)
    {
        using OutputCase output = new(write);
        await output.Prepare();
        FaultShim undisturbed = await FaultShim.Perform(output.Folder, "", output.Arguments);
        Assert.True(undisturbed.Run.ExitCode is 0 or 1, undisturbed.Run.Error);
        Assert.SkipWhen(!output.IsInPlace && undisturbed.Calls.GetValueOrDefault("link") == 0,
            "this file system has no files without a name (O_TMPFILE)");
        Dictionary<string, byte[]> after = output.Content();
        int kills = 0;
        foreach ((string call, int count) in undisturbed.Calls)
        {
            for (int number = 1; number <= count; number++)
            {
                Dictionary<string, byte[]> before = await output.Prepare();
                FaultShim killed = await FaultShim.Perform(output.Folder, $"{call} {number} {number} kill 9", output.Arguments);
                Assert.Equal((Killed, 1), (killed.Run.ExitCode, killed.Faults));
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
                Assert.True(!after.ContainsKey("out.undo.json") || !OutputCase.Same(now, after, "out") || now.ContainsKey("out.undo.json"),
                    where);
            }
        }

        Assert.True(kills >= 3, $"{kills} kills at {string.Join(' ', undisturbed.Calls)}");
    }

    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    public async Task Where_a_file_needs_a_name_from_the_start_a_signal_leaves_none(string signal)
    {
        using Scratch scratch = new();

        // Long enough that the temporary file is seen while it is written.
        string core = scratch.Write("core", new CoreBuilder { Memories = 1, MemoryLength = 150_000_000 }.Thread(7).Area(new byte[576])
            .Build());
        Assert.Equal(0, (await XstateProcess.Run("show", core)).ExitCode);
        int interrupted = 0;
        for (int run = 0; run < 4; run++)
        {
            using FileSystemWatcher watcher = new(scratch.Folder, ".xstate-*");
            using SemaphoreSlim seen = new(0);
            watcher.Created += (_, _) => seen.Release();
            watcher.EnableRaisingEvents = true;
            ProcessStartInfo command = XstateProcess.StartInfo("set", core, "mxcsr=0x1f81", "-o", scratch.PathOf("out"));

            ProcessStartInfo start = new("env", ["--default-signal=INT", command.FileName, .. command.ArgumentList])
            {
                WorkingDirectory = Repository.Root,
                RedirectStandardOutput = true,
                RedirectStandardError = true,
                UseShellExecute = false,
            };

            // A file system that has no files without a name.
            FaultShim.Preload(start, scratch.Folder, "tmpfile 1 99 errno 95");
            using Process process = Process.Start(start)!;
            bool appeared = await seen.WaitAsync(TimeSpan.FromMinutes(2), TestContext.Current.CancellationToken);
            Assert.True(appeared, "no temporary file appeared");
            ExternalTool.Run("kill", $"-{signal}", process.Id.ToString(CultureInfo.InvariantCulture));
            await process.WaitForExitAsync(TestContext.Current.CancellationToken);
            interrupted += File.Exists(scratch.PathOf("out")) ? 0 : 1;
            Assert.DoesNotContain(scratch.Names, name => name.StartsWith(".xstate-", StringComparison.Ordinal));
            File.Delete(scratch.PathOf("out"));
        }

        Assert.True(interrupted > 0, "every run had ended before the signal came");
    }
}
