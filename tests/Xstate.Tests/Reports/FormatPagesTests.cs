using System.Text.RegularExpressions;
using Xstate.Artifacts;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Reports;

/// <summary>docs/formats has a page for every format, and its index is what the code says. XSTATE_UPDATE=1 writes the index anew.</summary>
public partial class FormatPagesTests
{
    private static readonly string Folder = Repository.PathOf("docs", "formats");

    [Fact]
    public void Every_format_has_a_page_that_names_it()
    {
        DocumentationPage[] pages = Pages();
        Assert.Empty(Artifact.Formats.Where(format => FormatPages.PageOf(format.Name, pages)?.Text.Contains(format.Name,
            StringComparison.Ordinal) != true).Select(format => format.Name));
    }

    [Fact]
    public void The_index_is_current()
    {
        DocumentationPage index = FormatPages.Index(Pages());
        string path = Path.Combine(Folder, index.FileName);
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            File.WriteAllText(path, index.Text);
        }

        Assert.Equal(File.ReadAllText(path), index.Text);
    }

    [Fact]
    public void The_index_links_every_page_once_and_lists_every_format()
    {
        string text = FormatPages.Index(Pages()).Text;
        Assert.All(Pages(), page => Assert.Contains($"]({page.FileName})", text, StringComparison.Ordinal));
        Assert.All(Artifact.Formats, format => Assert.Single(Regex.Matches(text, $@"^\| (\[)?`{Regex.Escape(format.Name)}`",
            RegexOptions.Multiline, TimeSpan.FromSeconds(5))));
    }

    [Fact]
    public void A_format_without_a_page_is_listed_without_a_link()
    {
        string text = FormatPages.Index([new DocumentationPage("other.md", "# Other\n")]).Text;
        Assert.Contains("| `kvm_xsave` |", text, StringComparison.Ordinal);
        Assert.Contains("- [Other](other.md)", text, StringComparison.Ordinal);
    }

    [Fact]
    public void No_link_between_pages_is_broken()
    {
        List<string> broken = [];
        foreach (string file in Directory.GetFiles(Folder, "*.md"))
        {
            foreach (Match link in Link().Matches(File.ReadAllText(file)))
            {
                string target = Path.Combine(Folder, link.Groups["target"].Value);
                if (!File.Exists(target))
                {
                    broken.Add($"{Path.GetFileName(file)}: {link.Groups["target"].Value}");
                }
            }
        }

        Assert.Empty(broken);
    }

    private static DocumentationPage[] Pages() =>
    [
        .. Directory.GetFiles(Folder, "*.md").Order(StringComparer.Ordinal)
            .Where(file => Path.GetFileName(file) != FormatPages.IndexName)
            .Select(file => new DocumentationPage(Path.GetFileName(file), File.ReadAllText(file))),
    ];

    // A relative link, without its anchor.
    [GeneratedRegex(@"\]\((?<target>[^)#:]+)(#[^)]*)?\)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 5000)]
    private static partial Regex Link();
}
