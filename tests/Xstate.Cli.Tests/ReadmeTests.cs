using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public class ReadmeTests
{
    // The first screen is for a machine with the SDK only.
    private const string Prompt = "$ dotnet run --project src/Xstate.Cli -- ";
    private const string Check = Prompt + "check ";
    private const int FirstScreen = 30;

    [Fact]
    public async Task The_first_screen_shows_what_the_command_prints()
    {
        string[] lines = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken);
        string[] shown = [.. lines.SkipWhile(line => !line.StartsWith(Check, StringComparison.Ordinal)).TakeWhile(line => line != "```")];
        XstateProcess run = await XstateProcess.Run(shown[0][Prompt.Length..].Split(' '));

        Assert.Equal(string.Join('\n', shown[1..]), run.Output.TrimEnd());
        Assert.Equal(1, run.ExitCode);
        Assert.Contains(shown[0], lines[..FirstScreen]);
        Assert.Contains("$ dotnet test", lines[..FirstScreen]);
    }

    [Fact]
    public async Task The_install_lines_name_this_version()
    {
        string version = typeof(App).Assembly.GetName().Version!.ToString(3);
        string readme = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken);

        Assert.Contains($"xstate_{version}_amd64.deb", readme, StringComparison.Ordinal);
        Assert.Contains($"xstate-{version}-linux-x64.tar.gz", readme, StringComparison.Ordinal);

        string citation = await File.ReadAllTextAsync(Path.Combine(Repository.Root, "CITATION.cff"), TestContext.Current.CancellationToken);
        Assert.Contains($"\nversion: {version}\n", citation, StringComparison.Ordinal);
    }
}
