using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The notes of a release are the change log's section of that version.</summary>
public class ReleaseNotesTests
{
    [Fact]
    public async Task The_notes_are_the_section_of_the_version()
    {
        string folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            Assert.Equal(0, await Release("--only", "notes", "--output", folder));
            string[] notes = await File.ReadAllLinesAsync(Path.Combine(folder, "release-notes.md"), TestContext.Current.CancellationToken);
            string[] log = await File.ReadAllLinesAsync(Repository.PathOf("CHANGELOG.md"), TestContext.Current.CancellationToken);
            int heading = Array.FindIndex(log, line => line.StartsWith("## ", StringComparison.Ordinal));
            int end = Array.FindIndex(log, heading + 1, line => line.StartsWith("## ", StringComparison.Ordinal));
            string[] section = log[(heading + 1)..(end < 0 ? log.Length : end)];
            Assert.True(notes.Length > 10, $"{notes.Length} lines");
            Assert.Equal(section.SkipWhile(line => line.Length == 0), notes);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_part_that_does_not_exist_builds_nothing() => Assert.Equal(2, await Release("--only", "nots"));

    private static async Task<int> Release(params string[] arguments)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "eng/release is for Linux");
        ProcessStartInfo start = new("bash", [Repository.PathOf("eng", "release"), .. arguments])
        {
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        start.Environment["SOURCE_DATE_EPOCH"] = "0";
        using Process process = Process.Start(start)!;
        await process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        return process.ExitCode;
    }
}
