using System.Text;
using Markdig;
using Markdig.Extensions.AutoIdentifiers;
using Markdig.Renderers;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Xstate.Cli.Site;

/// <summary>Documents in Markdown as pages of the site.</summary>
internal static class MarkdownDocumentReader
{
    private const int MaxSummary = 220;

    private static readonly MarkdownPipeline Pipeline =
        new MarkdownPipelineBuilder().UsePipeTables().UseAutoIdentifiers(AutoIdentifierOptions.GitHub).Build();

    /// <summary>Reads a document.</summary>
    /// <param name="name">Its name in docs.</param>
    /// <param name="text">What is in it.</param>
    /// <param name="links">Where links lead.</param>
    public static SitePage Read(string name, string text, DocumentLinks links)
    {
        MarkdownDocument document = Markdown.Parse(text, Pipeline);
        string path = DocumentLinks.PageOf(name);
        RefuseMarkup(document, name);
        foreach (HtmlBlock marker in document.Descendants<HtmlBlock>().ToArray())
        {
            marker.Parent!.Remove(marker);
        }

        HeadingBlock title = document.Descendants<HeadingBlock>().First(heading => heading.Level == 1);
        document.Remove(title);
        links.Rewrite(document, name);
        string plain = PlainText(title.Inline!);
        return new SitePage(path, KindOf(name), plain, Render(document, path))
        {
            Heading = Render(title.Inline!, path),
            Summary = Cut(document.Descendants<ParagraphBlock>().Select(paragraph => PlainText(paragraph.Inline!)).FirstOrDefault("")),
            IsIndex = name.EndsWith("README.md", StringComparison.Ordinal),
        };
    }

    /// <summary>The text of a line without its marks.</summary>
    public static string PlainText(ContainerInline inlines)
    {
        StringBuilder text = new();
        foreach (Inline inline in inlines.Descendants())
        {
            text.Append(inline switch
            {
                LiteralInline literal => literal.Content.ToString(),
                CodeInline code => code.Content,
                LineBreakInline => " ",
                HtmlEntityInline entity => entity.Transcoded.ToString(),
                _ => "",
            });
        }

        return text.ToString();
    }

    // A comment is a marker for the tests of the documentation; other markup, and what a page would load, has no place there.
    private static void RefuseMarkup(MarkdownDocument document, string name)
    {
        MarkdownObject? refused = document.Descendants().FirstOrDefault(part => part switch
        {
            HtmlBlock block => block.Type != HtmlBlockType.Comment,
            LinkInline link => link.IsImage,
            AutolinkInline link => !link.Url.StartsWith("https://", StringComparison.Ordinal),
            _ => part is HtmlInline,
        });
        if (refused is not null)
        {
            throw new InvalidOperationException($"{name} has markup in line {refused.Line + 1}");
        }
    }

    private static SiteKind KindOf(string name) => name.Split('/')[0] switch
    {
        "how-to" => SiteKind.HowTo,
        "tutorials" => SiteKind.Tutorial,
        "formats" => SiteKind.Format,
        _ => SiteKind.Guide,
    };

    private static Html Render(MarkdownObject part, string path)
    {
        using StringWriter text = new();
        HtmlRenderer renderer = new(text);
        Pipeline.Setup(renderer);
        SiteRenderers.AddTo(renderer, path);
        renderer.Render(part);
        return new Html(text.ToString());
    }

    private static string Cut(string text) => text.Length <= MaxSummary ? text
        : $"{text[..text.LastIndexOf(' ', MaxSummary)].TrimEnd(',', ';', ':')} …";
}
