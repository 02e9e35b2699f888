using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>Links between pages lead somewhere.</summary>
public sealed class LinkTests
{
    [Fact]
    public void Every_relative_link_leads_to_a_file_and_every_anchor_to_a_heading()
    {
        int links = 0;
        List<string> broken = [];
        foreach (string name in MarkdownPage.All)
        {
            foreach (string link in MarkdownPage.Read(name).Links)
            {
                links++;
                string[] parts = link.Split('#', 2);
                string target = parts[0].Length == 0 ? name : Path.Combine(Path.GetDirectoryName(name)!, parts[0]);
                string path = Path.GetFullPath(Path.Combine(Repository.Root, target));
                if (!Path.Exists(path) || (parts.Length == 2 && !Page(path).Anchors.Contains(parts[1])))
                {
                    broken.Add($"{name}: {link}");
                }
            }
        }

        Assert.True(links > 300, $"{links}");
        Assert.True(broken.Count == 0, string.Join('\n', broken));
    }

    [Fact]
    public void The_index_leads_to_every_page()
    {
        // These have an index of their own.
        string[] apart = ["docs/rules/", "docs/formats/"];
        string[] entries = ["README.md", "docs/README.md"];
        IEnumerable<string> linked = MarkdownPage.Read("docs/README.md").Links
            .Select(link => Path.GetRelativePath(Repository.Root, Repository.PathOf("docs", link.Split('#')[0])));
        Assert.Empty(MarkdownPage.Documentation
            .Where(name => !apart.Any(folder => name.StartsWith(folder, StringComparison.Ordinal)))
            .Except(entries).Except(linked));
    }

    private static MarkdownPage Page(string path) => MarkdownPage.Read(Path.GetRelativePath(Repository.Root, path));
}
