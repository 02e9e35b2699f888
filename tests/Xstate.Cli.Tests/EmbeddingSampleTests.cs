using System.Diagnostics;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The program that the package's README shows.</summary>
public class EmbeddingSampleTests
{
    [Fact]
    public void The_readme_of_the_package_shows_the_whole_sample()
    {
        string program = File.ReadAllText(Repository.PathOf("samples", "embedding", "Program.cs"));

        Assert.Contains($"```csharp\n{program}```\n", Readme(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_sample_prints_what_the_readme_says()
    {
        string folder = new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name;
        string built = Repository.PathOf("samples", "embedding", "bin", folder, "net10.0", "embedding.dll");
        Assert.SkipUnless(File.Exists(built), $"{built} is not built");
        using Process process = Process.Start(new ProcessStartInfo("dotnet", [built]) { RedirectStandardOutput = true, UseShellExecute = false })!;
        string printed = await process.StandardOutput.ReadToEndAsync(TestContext.Current.CancellationToken);
        await process.WaitForExitAsync(TestContext.Current.CancellationToken);

        Assert.Equal(0, process.ExitCode);
        Assert.Contains($"```text\n{printed}```\n", Readme(), StringComparison.Ordinal);
    }

    private static string Readme() => File.ReadAllText(Repository.PathOf("src", "Xstate", "README.md"));
}
