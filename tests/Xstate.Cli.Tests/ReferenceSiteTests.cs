using System.CommandLine;
using System.Net;
using System.Text;
using System.Text.RegularExpressions;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Cli.Input;
using Xstate.Cli.Site;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Lint;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The pages of <c>xstate docs</c>: each thing with a name has one, each link leads somewhere, and anchors stay.</summary>
public sealed partial class ReferenceSiteTests
{
    private static readonly ReferenceSite Site = ReferenceSite.Create(Root());
    private static readonly Dictionary<string, string> Pages = Site.Files
        .Where(file => file.Path.EndsWith(".html", StringComparison.Ordinal))
        .ToDictionary(file => file.Path, file => Encoding.UTF8.GetString(file.Bytes), StringComparer.Ordinal);

    [Fact]
    public void Every_thing_with_a_name_has_a_page()
    {
        string[] wanted =
        [
            .. Rules.All.Select(rule => $"rules/{rule.Id}.html"), .. LintRules.Own.Select(rule => $"rules/{rule.Id}.html"),
            .. KernelDifference.All.Select(difference => $"rules/{difference.Id}.html"),
            .. StateComponents.All.Select(info => $"components/{info.Name}.html"),
            .. DistributionFamily.All.Select(family => $"kernels/{family.Id}.html"),
            .. Symptoms.All.Select(SiteIndex.PathOf),
            .. Root().Subcommands.Where(verb => !verb.Hidden).Select(verb => $"commands/{verb.Name}.html"),
            .. new[] { "4.18", "5.10", "6.1", "6.12", "7.3" }.Select(series => $"kernels/linux-{series}.html"),
        ];
        Assert.True(wanted.Length > 300, $"{wanted.Length}");
        Assert.Empty(wanted.Except(Pages.Keys));

        // A format has a page, or one with others of its kind that names it.
        string formats = Pages["formats/index.html"];
        Assert.All(Artifact.Formats, format => Assert.Contains($"{format.Name}</code>", formats, StringComparison.Ordinal));
        string[] documents = [.. Directory.GetFiles(Repository.PathOf("docs"), "*.md", SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Repository.PathOf("docs"), path).Replace('\\', '/'))];
        Assert.True(documents.Length > 200, $"{documents.Length}");
        Assert.Empty(documents.Select(DocumentLinks.PageOf).Except(Pages.Keys));
    }

    [Fact]
    public void Every_link_leads_to_a_file_and_an_anchor_of_the_site()
    {
        Dictionary<string, HashSet<string>> anchors = Pages.ToDictionary(page => page.Key, page => AnchorsOf(page.Value));
        HashSet<string> files = [.. Site.Files.Select(file => file.Path)];
        List<string> broken = [];
        int count = 0;
        foreach ((string path, string text) in Pages)
        {
            foreach (Match match in Link().Matches(text))
            {
                string link = WebUtility.HtmlDecode(match.Groups["link"].Value);
                if (link.StartsWith("https://", StringComparison.Ordinal))
                {
                    continue;
                }

                count++;
                string[] parts = link.Split('#', 2);
                string? target = parts[0].Length == 0 ? path : SitePath.Resolve(path, parts[0]);
                if (target is null || !files.Contains(target) || (parts.Length > 1 && !anchors[target].Contains(parts[1])))
                {
                    broken.Add($"{path}: {link}");
                }
            }
        }

        Assert.Empty(broken);
        Assert.True(count > 5_000, $"{count}");
    }

    [Fact]
    public void An_anchor_is_on_its_page_once_and_none_is_lost()
    {
        SortedDictionary<string, HashSet<string>> now = new(StringComparer.Ordinal);
        foreach ((string path, string text) in Pages.Where(page => !page.Key.StartsWith("project/", StringComparison.Ordinal)))
        {
            string[] ids = [.. Id().Matches(text).Select(match => match.Groups["id"].Value)];
            Assert.True(ids.Length == ids.Distinct().Count(), $"{path}: {string.Join(' ', ids)}");
            now[path] = [.. ids];
        }

        string list = Repository.PathOf("tests", "Xstate.Cli.Tests", "corpus", "site-anchors.txt");
        Dictionary<string, string[]> before = (File.Exists(list) ? File.ReadAllLines(list) : [])
            .Select(line => line.Split(' ')).ToDictionary(words => words[0], words => words[1..], StringComparer.Ordinal);
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE") == "1")
        {
            File.WriteAllLines(list, now.Select(page => string.Join(' ',
                page.Value.Union(before.GetValueOrDefault(page.Key, [])).Order(StringComparer.Ordinal).Prepend(page.Key))));
            return;
        }

        // Others link to them: a page that moves keeps its old name too. What is new is put on the list by XSTATE_UPDATE=1.
        Assert.True(before.Count > 400, $"{before.Count}");
        Assert.Empty(before.Keys.Except(now.Keys));
        Assert.All(before, page => Assert.Empty(page.Value.Except(now[page.Key])));
    }

    [Fact]
    public void Each_message_leads_to_a_page_that_has_its_causes()
    {
        foreach (Symptom symptom in Symptoms.All)
        {
            string page = Pages[SiteIndex.PathOf(symptom)];
            Assert.All(symptom.Rules, rule => Assert.Contains($"id=\"{rule.Id}\"", page, StringComparison.Ordinal));
            SitePage listed = Assert.Single(Site.Pages, one => one.Path == SiteIndex.PathOf(symptom));
            Assert.Contains(symptom.Text, listed.Phrases);
            Assert.All(symptom.Rules, rule =>
                Assert.Contains(symptom.Text, Site.Pages.Single(one => one.Path == SiteIndex.PathOf(rule.Id)).Phrases));
        }
    }

    [Fact]
    public void A_page_loads_its_own_files_only_and_has_no_script_within()
    {
        Assert.All(Pages, page =>
        {
            Assert.DoesNotMatch(Foreign(), page.Value);
            Assert.Single(Regex.Matches(page.Value, "<h1[ >]", RegexOptions.None, TimeSpan.FromSeconds(1)));
            Assert.Contains("default-src 'none'", page.Value, StringComparison.Ordinal);
        });
    }

    [Fact]
    public void The_same_program_makes_the_same_bytes()
    {
        ReferenceSite again = ReferenceSite.Create(Root());
        Assert.Equal(Site.Files.Select(file => file.Path), again.Files.Select(file => file.Path));
        Assert.All(Site.Files.Zip(again.Files), pair => Assert.Equal(pair.First.Bytes, pair.Second.Bytes));
        Assert.Equal(Site.Files.Length, Site.Files.Select(file => file.Path).Distinct(StringComparer.OrdinalIgnoreCase).Count());
    }

    [Fact]
    public void What_documents_link_to_outside_of_the_site_is_in_the_sources()
    {
        Assert.Contains("lab/README.md", Site.Outside);
        Assert.All(Site.Outside, path => Assert.True(Path.Exists(Repository.PathOf(path.Split('/'))), path));
    }

    [Theory]
    [InlineData("# T\n\n\\<script> &lt;script> `<i>` \u202e [a](https://x.example/\"><script>)")]
    [InlineData("# T\n\n| a | b |\n|---|---|\n| \\<script> | `<i>` |\n\n```console\n$ echo '<script>' \u202e\n<script>\n```\n")]
    public void What_a_document_says_is_text(string text)
    {
        string body = MarkdownDocumentReader.Read("x.md", text, new DocumentLinks(_ => false)).Body.Text;
        Assert.DoesNotContain("<script", body, StringComparison.Ordinal);
        Assert.DoesNotContain("<i>", body, StringComparison.Ordinal);
        Assert.DoesNotContain('\u202e', body);
    }

    [Theory]
    [InlineData("# T\n\n<script>hit()</script>\n")]
    [InlineData("# T\n\ntext <img src=x> text\n")]
    [InlineData("# T\n\n![picture](https://x.example/x.png)\n")]
    [InlineData("# T\n\n[run](javascript:hit())\n")]
    [InlineData("# T\n\n<ftp://x.example>\n")]
    [InlineData("# T\n\n[gone](gone.md)\n")]
    [InlineData("# T\n\n[out](../../gone.md)\n")]
    public void Markup_and_links_to_nowhere_are_refused(string text) =>
        Assert.Throws<InvalidOperationException>(() => MarkdownDocumentReader.Read("x.md", text, new DocumentLinks(_ => false)));

    private static Command Root() => App.CreateRoot(new UnpackedLimit(), new TextOptions());

    private static HashSet<string> AnchorsOf(string text) => [.. Id().Matches(text).Select(match => match.Groups["id"].Value)];

    [GeneratedRegex("\\bid=\"(?<id>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Id();

    [GeneratedRegex("\\bhref=\"(?<link>[^\"]*)\"", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Link();

    [GeneratedRegex("<script(?! src=\"assets/[a-z-]+\\.js\" defer></script>)|\\bsrc=\"(?!assets/)|<(?:img|iframe|object|embed|style)\\b"
        + "|\\son[a-z]+=", RegexOptions.None, 1000)]
    private static partial Regex Foreign();
}
