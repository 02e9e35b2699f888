using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>
/// What README.md and docs show is what the command prints, as docs/style.md says. XSTATE_UPDATE=1 writes the outputs anew.
/// </summary>
[Collection(nameof(CurrentFolderCollection))]
public sealed class DocumentationTests(ITestOutputHelper log)
{
    public static TheoryData<string> Pages =>
        [.. MarkdownPage.Documentation.Where(name => MarkdownPage.Read(name).Blocks.Any(block => block.HasCommands))];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task A_page_shows_what_its_commands_print(string name)
    {
        MarkdownPage page = MarkdownPage.Read(name);
        List<string> lines = [.. page.Lines];
        List<string> wrong = [];
        using PageSession session = new();
        int moved = 0;
        IEnumerable<FencedBlock> blocks = page.Blocks.Where(block => block.HasCommands && block.NotRun is null);
        IEnumerable<(FencedBlock, ShownCommand)> commands = blocks.SelectMany(block => block.Commands.Select(command => (block, command)));
        foreach ((FencedBlock block, ShownCommand command) in commands)
        {
            string place = $"{name}:{command.Line}: `{command.Text}`";
            bool inShell = block.RunsWith.Length > 0;
            if (block.RunsWith.FirstOrDefault(program => ExternalTool.Find(program) is null) is { } missing)
            {
                log.WriteLine($"{place} is not run: {missing} is not installed");
                continue;
            }

            Assert.True(inShell || command.Obstacle is null, $"{place} needs a marker before its block: {command.Obstacle}");
            string[] printed = await session.Run(command, inShell);
            if (!command.Shows(printed))
            {
                wrong.Add($"{place} prints\n{string.Join('\n', printed)}");
                int first = command.Line - 1 + command.Length + moved;
                lines.RemoveRange(first, command.Shown.Count);
                lines.InsertRange(first, printed);
                moved += printed.Length - command.Shown.Count;
            }
        }

        if (wrong.Count > 0 && Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            string path = Repository.PathOf(name.Split('/'));
            await File.WriteAllTextAsync(path, string.Join('\n', lines) + "\n", TestContext.Current.CancellationToken);
            return;
        }

        Assert.True(wrong.Count == 0, string.Join("\n\n", wrong));
    }

    [Fact]
    public void Every_block_with_commands_is_run_or_says_why_not()
    {
        int run = 0;
        List<string> marked = [];
        foreach (string name in MarkdownPage.Documentation)
        {
            foreach (FencedBlock block in MarkdownPage.Read(name).Blocks.Where(block => block.HasCommands))
            {
                if (block.NotRun is null)
                {
                    bool runs = block.Language == "console" && block.Commands.Any();
                    Assert.True(runs, $"{name}:{block.Line}: commands of xstate stand in a `console` block behind `$ `");
                    run += block.Commands.Count();
                }
                else
                {
                    marked.Add($"{name}:{block.Line}: {block.NotRun}");
                }
            }
        }

        log.WriteLine($"{run} commands are run; {marked.Count} blocks are not:\n{string.Join('\n', marked)}");
        Assert.True(run > 60, $"{run}");
    }

    [Fact]
    public void A_marker_has_a_reason_and_stands_before_a_block()
    {
        foreach (string name in MarkdownPage.Documentation)
        {
            MarkdownPage page = MarkdownPage.Read(name);
            int markers = page.Prose.Count(line => line.StartsWith("<!-- not run", StringComparison.Ordinal)
                || line.StartsWith("<!-- runs", StringComparison.Ordinal));
            int understood = page.Blocks.Count(block => block.NotRun is not null || block.RunsWith.Length > 0);
            Assert.True(markers == understood, $"{name}: a marker is not understood or stands before no block");
        }
    }
}
