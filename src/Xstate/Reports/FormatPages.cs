using System.Text;
using Xstate.Artifacts;

namespace Xstate.Reports;

/// <summary>The index of docs/formats, made from the table of formats. The pages themselves are written by hand.</summary>
internal static class FormatPages
{
    /// <summary>The name of the index.</summary>
    public const string IndexName = "README.md";

    /// <summary>The index of the pages of a folder.</summary>
    /// <param name="pages">All other pages of the folder.</param>
    public static DocumentationPage Index(IReadOnlyCollection<DocumentationPage> pages)
    {
        ArgumentNullException.ThrowIfNull(pages);
        StringBuilder text = new(
            "# Formats\n\nMade from the table of formats in the code, in the order in which a file is compared with them. `--format "
            + "NAME` reads a file as one of them without comparing. "
            + "Files compressed by gzip, bzip2, xz, zstd and lz4 open directly; for lzop its program has to be installed.\n\n| Format | "
            + "What it is | `convert --to` |\n|---|---|---|\n");
        HashSet<DocumentationPage> linked = [];
        foreach (ArtifactFormat format in Artifact.Formats)
        {
            DocumentationPage? page = PageOf(format.Name, pages);
            string name = page is null ? $"`{format.Name}`" : $"[`{format.Name}`]({page.FileName})";
            text.Append(
                $"| {name} | {format.Description.Replace("<", "\\<", StringComparison.Ordinal)} | "
                + $"{(ArtifactConversion.Formats.Contains(format.Name) ? "yes" : "")} |\n");
            if (page is not null)
            {
                linked.Add(page);
            }
        }

        text.Append("\nFurther pages:\n\n");
        foreach (DocumentationPage page in pages.Except(linked).OrderBy(page => page.FileName, StringComparer.Ordinal))
        {
            string title = page.Text[..page.Text.IndexOf('\n', StringComparison.Ordinal)].TrimStart('#', ' ');
            text.Append($"- [{title}]({page.FileName})\n");
        }

        return new DocumentationPage(IndexName, text.ToString());
    }

    /// <summary>
    /// The page of a format: the one of its name, else the one whose title has the name in backquotes; null when there is none.
    /// </summary>
    public static DocumentationPage? PageOf(string format, IReadOnlyCollection<DocumentationPage> pages)
    {
        ArgumentNullException.ThrowIfNull(pages);
        return pages.FirstOrDefault(page => page.FileName == $"{format}.md")
            ?? pages.FirstOrDefault(page => page.Text.Split('\n', 2)[0].Contains($"`{format}`", StringComparison.Ordinal));
    }
}
