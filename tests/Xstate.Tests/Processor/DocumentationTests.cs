using Xstate.Architecture;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Tests.Processor;

public class DocumentationTests
{
    [Fact]
    public void The_page_of_quirks_has_every_quirk_in_order()
    {
        string[] rows = Rows("quirks.md");

        Assert.Equal(ProcessorQuirks.All.Select(quirk => $"| `{quirk.Name}` | {quirk.Summary} | {quirk.Source} |"),
            rows.Select(row => Columns(row, 3)));
    }

    [Fact]
    public void The_page_of_reset_and_init_has_every_component_in_order()
    {
        string[] rows = Rows("reset-and-init.md");

        Assert.Equal(
            ResetTable.Components.Select(row =>
                $"| `{StateComponents.NameOf(row.Component)}` | "
                + $"{(row.Reset == ResetEffect.X87PowerUp ? "FCW 0040h, all tags zero, contents zero" : "initial")} "
                + $"| {(row.Init == InitEffect.Unchanged ? "unchanged" : "initial")} | {row.Source} |"),
            rows.Select(row => Columns(row, 4)));
        Assert.All(
            ResetTable.Registers, row => Assert.Contains($"| {row.Register} | ",
                File.ReadAllText(Repository.PathOf("docs", "processor", "reset-and-init.md"))));
    }

    private static string[] Rows(string page) =>
        [.. File.ReadLines(Repository.PathOf("docs", "processor", page)).Where(line => line.StartsWith("| `", StringComparison.Ordinal))];

    private static string Columns(string row, int count) => string.Join('|', row.Split('|').Take(count + 1)) + "|";
}
