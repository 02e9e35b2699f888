using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Xstate.Cli.Site;

/// <summary>Links of documents as links of the site.</summary>
/// <param name="isPage">Whether the site has a file of a path.</param>
internal sealed class DocumentLinks(Func<string, bool> isPage)
{
    private const string Project = "project/";
    private static readonly string[] RootDocuments = ["CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"];
    private readonly SortedSet<string> _outside = new(StringComparer.Ordinal);

    /// <summary>Files of the repository that documents link to and that are not part of the site.</summary>
    public IReadOnlyCollection<string> Outside => _outside;

    /// <summary>The path of a document's page.</summary>
    public static string PageOf(string name) =>
        name.EndsWith("README.md", StringComparison.Ordinal) ? $"{name[..^"README.md".Length]}index.html"
        : name.EndsWith(".md", StringComparison.Ordinal) ? $"{name[..^".md".Length]}.html" : name;

    /// <summary>Has the links of a document lead to pages; what is not part of the site becomes text that names it.</summary>
    /// <exception cref="InvalidOperationException">A link leads nowhere.</exception>
    public void Rewrite(MarkdownDocument document, string name)
    {
        foreach (LinkInline link in document.Descendants<LinkInline>().ToArray())
        {
            string url = link.Url ?? "";
            if (url.StartsWith("https://", StringComparison.Ordinal) || url.StartsWith('#'))
            {
                continue;
            }

            string[] parts = url.Split('#', 2);
            string inRepository = InRepository(name, parts[0])
                ?? throw new InvalidOperationException($"{name}: the link {url} leads out of the repository");
            if (PathOf(inRepository) is { } target)
            {
                link.Url = SitePath.Between(PageOf(name), target) + (parts.Length > 1 ? $"#{parts[1]}" : "");
                continue;
            }

            _outside.Add(inRepository);
            LiteralInline place = new($" ({inRepository} in the sources)");
            link.InsertAfter(place);
            foreach (Inline child in link.ToArray())
            {
                child.Remove();
                place.InsertBefore(child);
            }

            link.Remove();
        }
    }

    private static string? InRepository(string name, string link) =>
        SitePath.Resolve(name.StartsWith(Project, StringComparison.Ordinal) ? name[Project.Length..] : $"docs/{name}", link);

    private string? PathOf(string inRepository)
    {
        string? name = RootDocuments.Contains(inRepository) ? Project + inRepository
            : inRepository.StartsWith("docs/", StringComparison.Ordinal) ? inRepository["docs/".Length..] : null;
        if (name is null)
        {
            return null;
        }

        string page = PageOf(name);
        return isPage(page) ? page : isPage($"{page}/index.html") ? $"{page}/index.html"
            : throw new InvalidOperationException($"no page of the site is made of {inRepository}");
    }
}
