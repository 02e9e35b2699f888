using System.Runtime.InteropServices;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>No program is started because a file of its name lies where a stranger may put one.</summary>
public sealed class StartedProgramTests : IDisposable
{
    private const string Sample = "samples/captures/compacted.json";

    // lzop's magic and nothing else: enough to be taken for it.
    private static readonly byte[] Lzop = [0x89, (byte)'L', (byte)'Z', (byte)'O', 0, 0x0D, 0x0A, 0x1A, 0x0A];

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("xz")]
    [InlineData("zstd")]
    [InlineData("bzip2")]
    [InlineData("lz4")]
    [InlineData("gzip")]
    public async Task A_decompressor_in_the_current_directory_is_not_started(string program)
    {
        ExternalTool.Require(program);
        string sample = _scratch.Copy(Sample, "plain");
        await Shell.Run($"{program} -c < plain > packed", _scratch.Folder);
        _scratch.Plant("", program);
        XstateProcess run = await Shell.Run("xstate show packed", _scratch.Folder,
            ("PATH", $":.::bin:{Environment.GetEnvironmentVariable("PATH")}"));
        Assert.Equal((0, (await XstateProcess.Run("show", sample)).Output), (run.ExitCode, run.Output));
        Assert.False(File.Exists(_scratch.PathOf("started")));
    }

    [Theory]
    [InlineData("")]
    [InlineData("bin")]
    public async Task A_program_in_an_empty_or_relative_entry_of_PATH_is_not_started(string folder)
    {
        _scratch.Write("guest", Lzop);
        _scratch.Plant(folder, "lzop");
        string path = string.Join(':', (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':')
            .Where(entry => Path.IsPathFullyQualified(entry) && !File.Exists(Path.Combine(entry, "lzop"))));
        XstateProcess run = await Shell.Run("xstate show guest", _scratch.Folder, ("PATH", $":.:{folder}:./{folder}:{path}"));
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("lzop, which is in no absolute directory of PATH; install it, or decompress the file", run.Error,
            StringComparison.Ordinal);
        Assert.False(File.Exists(_scratch.PathOf("started")));
    }

    [Fact]
    public async Task A_program_in_an_absolute_entry_of_PATH_is_started_by_its_full_path()
    {
        _scratch.Write("guest", Lzop);
        string program = _scratch.Plant("bin", "lzop");
        await Shell.Run("xstate show guest", _scratch.Folder,
            ("PATH", $"{Path.GetDirectoryName(program)}:{Environment.GetEnvironmentVariable("PATH")}"));
        Assert.True(File.Exists(_scratch.PathOf("started")));
    }

    [Fact]
    public async Task A_program_beside_the_command_is_not_started()
    {
        // A copy of the command, beside which anything can be put.
        string built = Path.GetDirectoryName(typeof(App).Assembly.Location)!;
        string copy = Directory.CreateDirectory(_scratch.PathOf("copy")).FullName;
        string[] files = [.. Directory.GetFiles(built, "*.dll").Where(file => !Path.GetFileName(file)
            .StartsWith("xunit", StringComparison.Ordinal)), .. Directory.GetFiles(built, "Xstate.Cli*")];
        foreach (string file in files.Distinct())
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        string executable = Path.Combine(copy, "Xstate.Cli");
        Assert.SkipUnless(File.Exists(executable) && !OperatingSystem.IsWindows(), "the command was built without an executable");
        _scratch.Write("guest", Lzop);
        string[] programs = ["lzop", "xz", "zstd", "bzip2", "lz4", "gzip"];
        Assert.All(programs, program => _scratch.Plant("copy", program));
        (string, string) runtime = ("DOTNET_ROOT",
            Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")));
        XstateProcess run = await Shell.Run($"{executable} show guest", _scratch.Folder, runtime);
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("lzop", run.Error, StringComparison.Ordinal);
        string sample = _scratch.Copy(Sample, "plain");
        foreach (string program in programs[1..].Where(program => ExternalTool.Find(program) is not null))
        {
            await Shell.Run($"{program} -c < plain > packed", _scratch.Folder);
            XstateProcess shown = await Shell.Run($"{executable} show packed", _scratch.Folder, runtime);
            Assert.Equal((0, (await XstateProcess.Run("show", sample)).Output), (shown.ExitCode, shown.Output));
        }

        Assert.False(File.Exists(_scratch.PathOf("started")));
    }

    [Fact]
    public void Programs_are_started_by_full_path_only()
    {
        // Where the command starts a program: lzop by ProgramPath, and itself by the path that it runs from.
        string[] allowed = ["ProgramOutput.cs", "ScenarioProcess.cs"];
        string[] starting = [.. Directory.GetFiles(Repository.PathOf("src"), "*.cs", SearchOption.AllDirectories)
            .Where(file => !file.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .Where(file => File.ReadAllText(file).Contains("ProcessStartInfo", StringComparison.Ordinal)
                || File.ReadAllText(file).Contains("Process.Start", StringComparison.Ordinal))
            .Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal)];
        Assert.Equal(allowed, starting);
    }
}
