using System.Text;
using Xstate.Cli.Help;
using Xstate.Cli.Pages;

namespace Xstate.Cli.Site;

/// <summary>What every page of the site has around its own content.</summary>
internal static class SiteShell
{
    // 'self' is nothing that a page has which is opened from a disk: there its neighbours are files.
    private const string Policy =
        "default-src 'none'; base-uri 'none'; form-action 'self' file:; style-src 'self' file:; script-src 'self' file:";

    private static readonly string[] Scripts = ["search-index.js", "site.js"];

    private static readonly (string Title, string Path)[] Places =
    [
        ("Symptoms", "symptoms/index.html"), ("How-to", "how-to/index.html"), ("Tutorials", "tutorials/index.html"),
        ("Rules", "rules/index.html"), ("Kernels", "kernels/index.html"), ("Components", "components/index.html"),
        ("Formats", "formats/index.html"), ("Commands", "commands/index.html"), ("Glossary", "glossary.html"), ("Questions", "faq.html"),
    ];

    /// <summary>The file of a page.</summary>
    public static SiteFile Wrap(SitePage page)
    {
        bool isHome = page.Kind == SiteKind.Home;
        string root = SitePath.Between(page.Path, "");
        Html scripts = Html.If(isHome, () => Html.Join(Scripts.Select(script =>
            Html.Of($"<script src=\"{root}assets/{script}\" defer></script>\n"))));
        Html head = Html.Of($"<link rel=\"stylesheet\" href=\"{root}assets/site.css\">\n{scripts}");
        Html places = Html.Join(Places.Select(place => Html.Of(
            $"<li><a href=\"{root}{place.Path}\"{Current(page.Path, place.Path)}>{place.Title}</a></li>")));
        Html kind = Html.If(!isHome, () => Html.Of($"<p class=\"kind\">{SitePage.NameOf(page.Kind)}</p>\n"));
        Html body = Html.Of(
            $"""
            <a class="skip" href="#content">Skip to the content</a>
            <header class="site"><a class="brand" href="{root}{SitePath.Home}">xstate <span>reference</span></a>
            <form role="search" action="{root}{SitePath.Home}" method="get"><label><span class="visually-hidden">Search this site</span>
            <input type="search" name="q" id="q" placeholder="An error message, XS0101, pkru…" autocomplete="off" spellcheck="false">
            </label><button>Search</button></form></header>
            <div class="site-page"><nav class="places" aria-label="Parts of the site"><ul>{places}</ul></nav>
            <main id="content">
            {Html.If(isHome, () => new Html("<section id=\"results\" aria-label=\"Results\" hidden></section>\n"))}
            <article class="document" id="document">
            {kind}<h1>{page.Heading}</h1>
            {page.Body}</article>
            </main></div>
            <footer class="site">Made by {App.Name} {VersionText.Number} from its code and documents: <code>{App.Name} docs</code>.</footer>

            """);
        string title = isHome ? $"{App.Name} reference" : $"{page.Title} · {App.Name}";
        return new SiteFile(page.Path, Encoding.UTF8.GetBytes(PageShell.Wrap(Policy, title, head.Text, body.Text)));
    }

    private static Html Current(string path, string place) =>
        path == place ? new Html(" aria-current=\"page\"") : Html.Empty;
}
