using System.Globalization;
using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// Every call that opens, fills, finishes and names an output fails once, with and without files without a name (O_TMPFILE). What is held
/// is what users see: the output that cannot be written is named, each file is old or new, an output never lacks its undo file, and nothing
/// else is in the folder. XSTATE_TEST_SCALE above 1 tries every error at every call.
/// </summary>
public sealed partial class OutputErrorTests
{
    // EOPNOTSUPP: a file system that has no files without a name.
    private const string Named = "tmpfile 1 99 errno 95";
    private const int NoSpace = 28;
    private static readonly (int Errno, string Reason)[] Errors =
        [(5, "Input/output error"), (NoSpace, "No space left on device"), (122, "Disk quota exceeded"), (30, "Read-only file system")];

    public OutputErrorTests() => Assert.SkipUnless(OperatingSystem.IsLinux(), "calls of the C library are Linux's here");

    public static TheoryData<string> Writes => OutputCase.All;

    // A file that gets a name of its own from the start is made in one place: where there are one and two outputs, new ones and old ones.
    private static string[] WaysOf(string write) =>
        Repository.Scale > 1 || write is "fix" or "fix --force" or "set --in-place of other length" or "host" ? ["", Named] : [""];

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task An_error_of_any_call_of_an_output_is_told_and_leaves_everything_as_it_was(string write)
    {
        using OutputCase output = new(write);
        int faults = 0;
        foreach (string how in WaysOf(write))
        {
            Undisturbed undisturbed = await Run(output, how);
            if (how.Length > 0 && undisturbed.Calls.GetValueOrDefault("open") == 0)
            {
                continue;
            }

            // A file system that has none gives another file; that one can fail, too.
            string[] families = how.Length == 0 ? ["open", "write", "fsync", "link", "rename"] : ["open", "link", "rename"];
            foreach (string family in families)
            {
                for (int number = 1; number <= undisturbed.Calls.GetValueOrDefault(family); number++)
                {
                    foreach ((int errno, string reason) in Repository.Scale > 1 ? Errors : [Errors[faults % 2]])
                    {
                        // On a read-only file system there is nothing to synchronise.
                        if (family == "fsync" && reason.StartsWith("Read-only", StringComparison.Ordinal))
                        {
                            continue;
                        }

                        // A rename that must not replace is tried as a link, too.
                        string also = family == "rename" && how.Length > 0 ? $";link 1 99 errno {errno}" : "";
                        FaultShim told = await Fails(output, undisturbed, $"{how};{family} {number} 99 errno {errno}{also}",
                            family == "fsync");
                        Assert.Contains(reason, told.Run.Error, StringComparison.Ordinal);
                        faults += told.Faults;
                    }
                }
            }
        }

        Assert.True(faults >= 3, $"{faults} faults");
    }

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task A_disk_that_is_full_after_any_number_of_bytes_takes_none_of_an_output(string write)
    {
        using OutputCase output = new(write);
        Undisturbed undisturbed = await Run(output, "");
        int length = output.Content().Where(file => !OutputCase.Same(undisturbed.Before, undisturbed.After, file.Key))
            .Sum(file => file.Value.Length);
        Assert.SkipWhen(length == 0, "the output is empty here");
        int[] limits = output.IsInPlace ? [0] : Repository.Scale > 1
            ? [0, 1, length / 4, length / 2, length * 3 / 4, length - 1] : [length / 2, length - 1];
        foreach (int limit in limits)
        {
            FaultShim full = await Fails(output, undisturbed, $"write 1 99 full {limit.ToString(CultureInfo.InvariantCulture)}",
                isOnDiskOnly: false);
            Assert.Contains("No space left on device", full.Run.Error, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task Interrupted_calls_and_writes_of_a_part_change_nothing(string write)
    {
        using OutputCase output = new(write);
        foreach (string how in WaysOf(write))
        {
            Undisturbed undisturbed = await Run(output, how);
            int times = undisturbed.Calls.Values.Max();
            for (int number = 1; number <= times; number++)
            {
                string[] families = [.. undisturbed.Calls.Where(family => family.Value >= number
                    && (how.Length == 0 || family.Key != "tmpfile")).Select(family => family.Key)];
                string interrupted = string.Join(';', families.Select(family => $"{family} {number} {number} errno 4"));
                await Succeeds(output, undisturbed, $"{how};{interrupted}");
            }

            await Succeeds(output, undisturbed, $"{how};write 1 999 short 7");
        }
    }

    [Theory]
    [InlineData("fix --force")]
    [InlineData("lint --fix --force")]
    [InlineData("host --force")]
    [InlineData("set --in-place of other length")]
    public async Task An_output_that_is_in_place_without_its_mode_is_said_to_be_there(string write)
    {
        // The mode is the last thing that an output gets that replaces another: until then it is its owner's alone.
        using OutputCase output = new(write);
        Undisturbed undisturbed = await Run(output, "");
        int last = undisturbed.Calls["fchmod"];
        await output.Prepare();
        FaultShim failed = await FaultShim.Perform(output.Folder, $"fchmod {last} {last} errno 5", output.Arguments);
        Assert.Equal((5, 1), (failed.Run.ExitCode, failed.Faults));
        string path = output.PathOf(output.ReplacesInput ? "in.json" : "out");
        Assert.Contains($"cannot write {path}: Input/output error; in place: ", failed.Run.Error, StringComparison.Ordinal);
        Assert.EndsWith($"{path}\n", failed.Run.Error, StringComparison.Ordinal);
        Dictionary<string, byte[]> now = output.Content();
        Assert.All(undisturbed.After.Keys.Union(now.Keys), name => Assert.True(OutputCase.Same(now, undisturbed.After, name), name));
        if (!OperatingSystem.IsWindows())
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(path));
        }
    }

    [Fact]
    public async Task What_cannot_be_taken_away_again_is_said_to_be_there()
    {
        // The undo file is in place when the output fails, and then it cannot be deleted.
        using OutputCase output = new("fix");
        await output.Prepare();
        FaultShim undo = await FaultShim.Perform(output.Folder, "link 2 2 errno 28;unlink 1 99 errno 5", output.Arguments);
        Assert.Equal((5, 2), (undo.Run.ExitCode, undo.Faults));
        Assert.Equal($"xstate: cannot write {output.PathOf("out")}: No space left on device; in place: {output.PathOf("out.undo.json")}\n",
            undo.Run.Error);

        // Nor can the temporary file be deleted.
        await output.Prepare();
        FaultShim temporary = await FaultShim.Perform(output.Folder, $"{Named};write 1 1 errno 28;unlink 1 99 errno 5", output.Arguments);
        Assert.Equal((5, $"xstate: cannot write {output.PathOf("out")}: No space left on device\n"),
            (temporary.Run.ExitCode, temporary.Run.Error));
    }

    [Theory]
    [InlineData("convert", "in.json", "--to", "xstate-capture")]
    [InlineData("set", "in.json", "pkru=0x4")]
    [InlineData("fix", "in.json", "--on", "samples/hosts/intel-skylake-sp.json@linux-6.1.40")]
    [InlineData("lint", "cpu.json", "--fix")]
    public async Task Standard_output_that_fails_is_told(params string[] line)
    {
        using OutputCase output = new("convert");
        string command = string.Join(' ', line.Select(word => word.EndsWith(".json", StringComparison.Ordinal)
            ? output.PathOf(word) : word));

        // The file that is written first, and what carries it to standard output.
        foreach ((string temporary, int limit) in ((string, int)[])[(output.Folder, 0), (Path.GetTempPath(), 100)])
        {
            await output.Prepare();
            FaultShim run = await FaultShim.PerformShell(output.Folder, $"write 1 99 full {limit.ToString(CultureInfo.InvariantCulture)}",
                $"TMPDIR='{temporary}' {XstateProcess.ShellCommand} {command} -o - > '{output.PathOf("stdout")}'");
            Assert.True(run.Faults > 0, run.Run.Error);
            Assert.Equal(5, run.Run.ExitCode);
            Assert.Contains("xstate: cannot write standard output: No space left on device\n", run.Run.Error, StringComparison.Ordinal);
            Assert.DoesNotContain(output.Content().Keys, OutputCase.IsTemporary);
        }
    }

    private static async Task<Undisturbed> Run(OutputCase output, string plan)
    {
        Dictionary<string, byte[]> before = await output.Prepare();
        FaultShim run = await FaultShim.Perform(output.Folder, plan, output.Arguments);
        Assert.True(run.Run.ExitCode is 0 or 1, run.Run.Error);
        Assert.True(run.Calls.GetValueOrDefault("fsync") > 0, "no call was seen: the shim does not work here");
        return new Undisturbed(before, output.Content(), run.Calls, run.Run.ExitCode);
    }

    private static async Task<FaultShim> Fails(OutputCase output, Undisturbed undisturbed, string plan, bool isOnDiskOnly)
    {
        Dictionary<string, byte[]> before = await output.Prepare();
        FaultShim run = await FaultShim.Perform(output.Folder, plan.TrimStart(';'), output.Arguments);
        string where = $"{plan}: {run.Run.ExitCode} {run.Run.Error}";
        Assert.True(run.Faults > 0, where);
        Assert.True(run.Run.ExitCode == 5, where);
        Match told = Cannot().Match(run.Run.Error);
        Assert.True(told.Success && Path.GetDirectoryName(told.Groups["file"].Value) == output.Folder, where);
        Assert.DoesNotContain(".xstate-", run.Run.Error, StringComparison.Ordinal);
        Dictionary<string, byte[]> now = output.Content();

        // Bytes that were changed where they are stay changed when only the disk did not take them; nothing else is left of a run that
        // failed.
        bool staysChanged = output.IsInPlace && isOnDiskOnly;
        Assert.All(before.Keys.Union(now.Keys), name =>
            Assert.True(OutputCase.Same(now, before, name) || (staysChanged && OutputCase.Same(now, undisturbed.After, name)),
                $"{name}, {where}"));
        return run;
    }

    private static async Task Succeeds(OutputCase output, Undisturbed undisturbed, string plan)
    {
        await output.Prepare();
        FaultShim run = await FaultShim.Perform(output.Folder, plan.TrimStart(';'), output.Arguments);
        string where = $"{plan}: {run.Run.ExitCode} {run.Run.Error}";
        Assert.True(run.Run.ExitCode == undisturbed.ExitCode, where);
        Dictionary<string, byte[]> now = output.Content();
        Assert.All(undisturbed.After.Keys.Union(now.Keys),
            name => Assert.True(OutputCase.Same(now, undisturbed.After, name), $"{name}, {where}"));
    }

    [GeneratedRegex(@"^xstate: cannot write (?<file>.*): (?<reason>[^:]*)\n$", RegexOptions.ExplicitCapture | RegexOptions.Multiline, 1000)]
    private static partial Regex Cannot();

    private sealed record Undisturbed(Dictionary<string, byte[]> Before, Dictionary<string, byte[]> After, Dictionary<string, int> Calls,
        int ExitCode);
}
