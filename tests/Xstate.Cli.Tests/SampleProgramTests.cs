using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The programs that the READMEs show.</summary>
public class SampleProgramTests
{
    private static readonly string[] PackageReadme = ["src", "Xstate", "README.md"];
    private static readonly string[] Readme = ["README.md"];

    [Fact]
    public void The_readme_of_the_package_shows_the_whole_embedding() => IsShown("embedding", PackageReadme);

    [Fact]
    public void The_readme_shows_the_whole_check() => IsShown("check", Readme);

    [Fact]
    public async Task The_embedding_prints_what_the_readme_of_the_package_says()
    {
        string printed = await Run("embedding");
        Assert.Contains($"```text\n{printed}```\n", Text(PackageReadme), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_check_prints_what_the_readme_says()
    {
        string[] arguments = ["samples/captures/leaked-pkru.json", "samples/hosts/intel-skylake-sp.json", "6.1.40"];
        string printed = await Run("check", arguments);
        string shown = $"```console\n$ dotnet run --project samples/check -- {string.Join(' ', arguments)}\n{printed}```\n";
        Assert.Contains(shown, Text(Readme), StringComparison.Ordinal);
    }

    private static void IsShown(string sample, string[] readme)
    {
        string program = File.ReadAllText(Repository.PathOf("samples", sample, "Program.cs"));
        Assert.Contains($"```csharp\n{program}```\n", Text(readme), StringComparison.Ordinal);
    }

    private static async Task<string> Run(string sample, params string[] arguments)
    {
        string folder = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string built = Repository.PathOf("samples", sample, "bin", folder, "net10.0", $"{sample}.dll");
        Assert.SkipUnless(File.Exists(built), $"{built} is not built");
        ProcessStartInfo start = new("dotnet", [built, .. arguments])
        {
            WorkingDirectory = Repository.Root,
            RedirectStandardOutput = true,
            UseShellExecute = false
        };
        using Process process = Process.Start(start)!;
        string printed = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);
        Assert.Equal(0, process.ExitCode);
        return printed;
    }

    private static string Text(string[] path) => File.ReadAllText(Repository.PathOf(path));
}
