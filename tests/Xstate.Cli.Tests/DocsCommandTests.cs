namespace Xstate.Cli.Tests;

/// <summary>The folder of <c>xstate docs</c>: whole or not at all, and in place of nothing but its own.</summary>
public sealed class DocsCommandTests : IDisposable
{
    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    private string Folder => _scratch.PathOf("site");

    [Fact]
    public async Task It_writes_a_folder_and_says_what_to_open()
    {
        XstateProcess run = await XstateProcess.Run("docs", "-o", Folder);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Matches($"^wrote {Folder}: [0-9]+ pages; open {Folder}/index.html\n$", run.Output);
        Assert.True(File.Exists(Path.Combine(Folder, "rules", "XS0101.html")));
        Assert.Equal(["site"], _scratch.Names);

        string[] listed = await File.ReadAllLinesAsync(Path.Combine(Folder, ".xstate-files"), TestContext.Current.CancellationToken);
        string[] there = [.. Directory.GetFiles(Folder, "*", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Folder, path).Replace('\\', '/')).Where(path => path != ".xstate-files")];
        Assert.Equal(listed, there.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task An_empty_folder_is_taken_and_its_own_one_is_replaced_with_force()
    {
        Directory.CreateDirectory(Folder);
        await Fine("docs", "-o", Folder + "/");
        string page = Path.Combine(Folder, "index.html");
        string before = await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken);
        await File.WriteAllTextAsync(page, "changed", TestContext.Current.CancellationToken);
        Directory.Delete(Path.Combine(Folder, "rules"), recursive: true);

        XstateProcess refused = await XstateProcess.Run("docs", "-o", Folder);
        Assert.Equal((2, $"xstate: {Folder} exists; --force replaces it\n"), (refused.ExitCode, refused.Error));
        await Fine("docs", "-o", Folder, "--force");
        Assert.Equal(before, await File.ReadAllTextAsync(page, TestContext.Current.CancellationToken));
        Assert.True(File.Exists(Path.Combine(Folder, "rules", "XS0101.html")));
        Assert.Equal(["site"], _scratch.Names);
    }

    [Theory]
    [InlineData("notes.txt")]
    [InlineData("rules/mine.html")]
    [InlineData(".hidden")]
    public async Task A_folder_with_anything_else_is_never_replaced(string name)
    {
        await Fine("docs", "-o", Folder);
        string mine = Path.Combine(Folder, name);
        await File.WriteAllTextAsync(mine, "mine", TestContext.Current.CancellationToken);
        await Refused($"{Folder} holds {name}, which xstate did not write; name an empty or a new folder", Folder);
        Assert.Equal("mine", await File.ReadAllTextAsync(mine, TestContext.Current.CancellationToken));
        Assert.Equal(["site"], _scratch.Names);
    }

    [Fact]
    public async Task Other_folders_files_links_and_standard_output_are_refused()
    {
        Directory.CreateDirectory(Folder);
        _scratch.Write("site/a", "a"u8);
        await Refused($"{Folder} holds a, which xstate did not write; name an empty or a new folder", Folder);
        string file = _scratch.Write("file", "x"u8);
        await Refused($"{file} is a file; -o names a folder", file);
        await Refused("-o names a folder here; standard output cannot be one", "-");
        Assert.SkipWhen(OperatingSystem.IsWindows(), "links are Unix's here");
        string link = _scratch.PathOf("link");
        Directory.CreateSymbolicLink(link, Directory.CreateDirectory(_scratch.PathOf("target")).FullName);
        await Refused($"{link} is a symbolic link; name the folder itself", link);

        // The list of a folder may not be a link either, nor is what lies behind a link in it looked at.
        string own = _scratch.PathOf("own");
        await Fine("docs", "-o", own);
        Directory.CreateSymbolicLink(Path.Combine(own, "kernels", "away"), _scratch.PathOf("target"));
        await Refused($"{own} holds kernels/away, which xstate did not write; name an empty or a new folder", own);
    }

    [Fact]
    public async Task Where_it_cannot_be_written_nothing_is_left()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "a folder below a file is Linux's error here");
        string file = _scratch.Write("file", "x"u8);
        XstateProcess run = await XstateProcess.Run("docs", "-o", Path.Combine(file, "site"));
        Assert.Equal(5, run.ExitCode);
        Assert.Equal(["file"], _scratch.Names);
    }

    [Fact]
    public async Task It_is_as_open_as_the_umask_says()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "modes are Linux's here");
        string stat = $"stat -c '%a %n' {Folder} {Folder}/rules {Folder}/index.html";
        XstateProcess run = await Shell.Run($"umask 027; xstate docs -o {Folder}; {stat}");
        Assert.Contains($"750 {Folder}\n750 {Folder}/rules\n640 {Folder}/index.html\n", run.Output, StringComparison.Ordinal);
    }

    private async Task Refused(string message, string folder)
    {
        XstateProcess run = await XstateProcess.Run("docs", "-o", folder, "--force");
        Assert.Equal((2, $"xstate: {message}\n"), (run.ExitCode, run.Error));
    }

    private static async Task Fine(params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }
}
