using Xstate.Cli.Tests.Documentation;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>A README in a directory of artifacts stops nothing; a damaged artifact, and a file that is named, do.</summary>
[Collection(nameof(CurrentFolderCollection))]
public sealed class LeftOutFileTests : IDisposable
{
    private const string Host = "samples/hosts/amd-genoa.json";

    private readonly Scratch _scratch = new();

    public LeftOutFileTests()
    {
        Directory.CreateDirectory(_scratch.PathOf("captures"));
        Directory.CreateDirectory(_scratch.PathOf("hosts"));
        File.Copy(Repository.PathOf("samples", "captures", "leaked-pkru.json"), Captures("guest.json"));
        File.Copy(Repository.PathOf(Host.Split('/')), Hosts("host.json"));
        File.WriteAllText(Captures("README.md"), "# What this is\n\nCaptures of a guest.\n");
        File.WriteAllText(Hosts("NOTES"), "Where these hosts are.\n");
    }

    public void Dispose() => _scratch.Dispose();

    public static TheoryData<string[], int> Verbs => new()
    {
        { ["show", "captures"], 0 },
        { ["show", "captures", "--jsonl"], 0 },
        { ["check", "captures", "--on", Host + "@linux-6.12"], 0 },
        { ["check", "captures", "--on", "hosts@linux-6.12"], 0 },
        { ["lint", "hosts"], 0 },
        { ["lint", "hosts", "--sarif"], 0 },
        { ["pool", "hosts", "--captures", "captures", "--kernel", "linux-6.12"], 0 },
        { ["report", "captures", "--on", "hosts@linux-6.12", "-o", "page.html", "--force"], 0 },
    };

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Other_text_in_a_directory_is_left_out_and_said(string[] words, int code)
    {
        XstateProcess run = await Run(words);
        Assert.True(run.ExitCode == code || (run.ExitCode == 1 && words[0] != "show"), run.Error + run.Output);
        Assert.Contains("left out", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("expected one of", run.Output + run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("README.md", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_is_named_is_an_error_in_a_directory_too()
    {
        XstateProcess run = await Run("show", "captures/README.md", "captures");
        Assert.Equal(3, run.ExitCode);
        Assert.DoesNotContain("left out", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("empty.save", "")]
    [InlineData("cut.json", "{\"format\": \"xst")]
    [InlineData("cut.xml", "<domain type='kvm'")]
    [InlineData("cut.vmstate", "\0\u0001\u0002\u0003\u0004")]
    public async Task What_may_be_a_damaged_artifact_stays_an_error(string name, string content)
    {
        await File.WriteAllTextAsync(Captures(name), content, TestContext.Current.CancellationToken);
        XstateProcess run = await Run("show", "captures");
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("README.md is left out", run.Error, StringComparison.Ordinal);
        Assert.Contains("1 of 3 files have no answer", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_directory_of_nothing_else_is_an_error()
    {
        File.Delete(Captures("guest.json"));
        File.WriteAllText(Captures("OTHER"), "more prose\n");
        XstateProcess run = await Run("show", "captures");
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("none of the 2 files is an artifact", run.Error, StringComparison.Ordinal);
        Assert.Contains("2 files in directories are left out", run.Error, StringComparison.Ordinal);
    }

    private string Captures(string name) => Path.Combine(_scratch.PathOf("captures"), name);

    private string Hosts(string name) => Path.Combine(_scratch.PathOf("hosts"), name);

    private Task<XstateProcess> Run(params string[] words) => XstateProcess.RunIn(_scratch.Folder,
        [.. words.Select(word => word.StartsWith("samples/", StringComparison.Ordinal) ? Path.Combine(Repository.Root, word) : word)]);
}
