using System.Collections.Immutable;
using System.CommandLine;
using System.Text;
using Xstate.Cli.Pages;

namespace Xstate.Cli.Site;

/// <summary>
/// The whole site: pages from the documents that are part of the program and from the tables of its code. The same program makes the same
/// bytes.
/// </summary>
internal sealed class ReferenceSite
{
    private readonly List<SitePage> _pages = [];

    private ReferenceSite(Command root)
    {
        List<SitePage> documents = ReadDocuments(out DocumentLinks links);
        Outside = [.. links.Outside];
        SitePage[] howTos = [.. Of(documents, SiteKind.HowTo)];
        SitePage[] tutorials = [.. Of(documents, SiteKind.Tutorial)];
        SitePage home = documents.Single(page => page.Path == SitePath.Home);
        _pages.Add(home with { Kind = SiteKind.Home, Title = "Reference", Heading = Html.Of($"Reference"), Body = Begin(home.Body) });
        _pages.AddRange(howTos.Select(page => page with { Phrases = [.. SymptomSitePages.Of(page).Select(symptom => symptom.Text)] }));
        _pages.AddRange(SymptomSitePages.All(howTos));
        _pages.AddRange(documents.Except(howTos).Where(page => page != home));
        _pages.Add(ListSitePages.Of("how-to/index.html", SiteKind.HowTo, "How to solve one problem", howTos));
        _pages.Add(ListSitePages.Of("tutorials/index.html", SiteKind.Tutorial, "Tutorials: learn by a real case", tutorials));
        _pages.Add(SchemaSitePages.Index());
        _pages.AddRange(RuleSitePages.All());
        _pages.AddRange(KernelSitePages.All());
        _pages.AddRange(ComponentSitePages.All());
        _pages.AddRange(new CommandSitePages(root).All());
        Files =
        [
            .. _pages.Select(SiteShell.Wrap), .. SchemaSitePages.Files(),
            new SiteFile("assets/site.css", Encoding.UTF8.GetBytes(PageAssets.SiteStyle)),
            new SiteFile("assets/site.js", Encoding.UTF8.GetBytes(PageAssets.SiteScript)),
            new SiteFile("assets/search-index.js", SearchIndex.Write(_pages)),
        ];
    }

    /// <summary>The pages, in the order in which equal results of a search stand.</summary>
    public IReadOnlyList<SitePage> Pages => _pages;

    /// <summary>All files.</summary>
    public ImmutableArray<SiteFile> Files { get; }

    /// <summary>Files of the repository that documents speak of and that the site does not have.</summary>
    public ImmutableArray<string> Outside { get; }

    /// <summary>Makes it.</summary>
    /// <param name="root">The whole command.</param>
    public static ReferenceSite Create(Command root) => new(root);

    private static Html Begin(Html body) => Html.Of(
        $"""
        <p>Put the words of an error into the search above, as they are printed, or the name of a rule, a register or a kernel.</p>
        {body}
        """);

    private static IEnumerable<SitePage> Of(IEnumerable<SitePage> documents, SiteKind kind) => documents.Where(page => page.Kind == kind);

    private static List<SitePage> ReadDocuments(out DocumentLinks links)
    {
        string[] names = [.. DocumentSource.Names.Where(name => name.EndsWith(".md", StringComparison.Ordinal))];
        HashSet<string> paths =
        [
            .. names.Select(DocumentLinks.PageOf), .. SchemaSitePages.Files().Select(file => file.Path), "schemas/index.html",
            .. RuleSitePages.All().Select(page => page.Path),
        ];
        DocumentLinks found = new(paths.Contains);
        links = found;
        return [.. names.Select(name => MarkdownDocumentReader.Read(name, DocumentSource.Read(name), found))];
    }
}
