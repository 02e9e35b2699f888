using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public class ReadmeTests
{
    private const string Prompt = "$ dotnet run --project src/Xstate.Cli -- ";

    [Fact]
    public async Task The_first_screen_shows_what_the_command_prints()
    {
        string[] lines = await File.ReadAllLinesAsync(Path.Combine(Repository.Root, "README.md"), TestContext.Current.CancellationToken);
        string[] shown = [.. lines.SkipWhile(line => !line.StartsWith(Prompt, StringComparison.Ordinal)).TakeWhile(line => line != "```")];
        XstateProcess run = await XstateProcess.Run(shown[0][Prompt.Length..].Split(' '));

        Assert.Equal(string.Join('\n', shown[1..]), run.Output.TrimEnd());
        Assert.Equal(1, run.ExitCode);
    }
}
