namespace Xstate.Cli.Site;

/// <summary>Lists of the pages of a folder that has none of its own.</summary>
internal static class ListSitePages
{
    /// <summary>A list of these pages.</summary>
    public static SitePage Of(string path, SiteKind kind, string title, IEnumerable<SitePage> pages) => new(path, kind, title,
        Sections.List(pages.Select(page => Html.Of(
            $"{SiteIndex.Link(path, page.Path, page.Heading)} <span class=\"soft\">{page.Summary}</span>"))))
    {
        IsIndex = true,
    };
}
