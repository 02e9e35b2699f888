using Markdig.Extensions.Tables;
using Markdig.Renderers;
using Markdig.Renderers.Html;
using Markdig.Renderers.Html.Inlines;
using Markdig.Syntax;
using Markdig.Syntax.Inlines;

namespace Xstate.Cli.Site;

/// <summary>How parts of documents look that the site shows in its own way.</summary>
internal static class SiteRenderers
{
    /// <summary>Adds them to a renderer.</summary>
    public static void AddTo(HtmlRenderer renderer, string path)
    {
        renderer.ObjectRenderers.Replace<HeadingRenderer>(new Heading());
        renderer.ObjectRenderers.Replace<CodeBlockRenderer>(new Code(path));
        renderer.ObjectRenderers.Replace<LiteralInlineRenderer>(new Literal(path));
        renderer.ObjectRenderers.Replace<CodeInlineRenderer>(new InlineCode(path));
        renderer.ObjectRenderers.Replace<HtmlTableRenderer>(new ScrollingTable());
    }

    private static bool IsInLink(Inline inline)
    {
        for (ContainerInline? parent = inline.Parent; parent is not null; parent = parent.Parent)
        {
            if (parent is LinkInline)
            {
                return true;
            }
        }

        return false;
    }

    private sealed class Heading : HtmlObjectRenderer<HeadingBlock>
    {
        protected override void Write(HtmlRenderer renderer, HeadingBlock heading)
        {
            string id = heading.GetAttributes().Id ?? "";
            renderer.EnsureLine();
            renderer.Write(Html.Of($"<h{heading.Level} id=\"{id}\">").Text);
            renderer.WriteLeafInline(heading);
            renderer.WriteLine(Html.Of($" {Sections.Anchor(id)}</h{heading.Level}>").Text);
        }
    }

    private sealed class Code(string path) : HtmlObjectRenderer<CodeBlock>
    {
        private const string Prompt = "$ ";

        protected override void Write(HtmlRenderer renderer, CodeBlock code)
        {
            bool isConsole = code is FencedCodeBlock { Info: "console" };
            renderer.EnsureLine();
            renderer.Write(isConsole ? "<pre class=\"console\" tabindex=\"0\"><code>" : "<pre tabindex=\"0\"><code>");
            bool goesOn = false;
            for (int i = 0; i < code.Lines.Count; i++)
            {
                string line = code.Lines.Lines[i].Slice.ToString();
                bool begins = isConsole && line.StartsWith(Prompt, StringComparison.Ordinal);
                Html shown = begins ? Html.Of($"<span class=\"prompt\">{Prompt}</span><b>{line[Prompt.Length..]}</b>")
                    : isConsole && goesOn ? Html.Of($"<b>{line}</b>") : SiteIndex.Linked(path, line);
                goesOn = (begins || goesOn) && line.EndsWith('\\');
                renderer.Write(shown.Text).Write("\n");
            }

            renderer.WriteLine("</code></pre>");
        }
    }

    private sealed class Literal(string path) : HtmlObjectRenderer<LiteralInline>
    {
        protected override void Write(HtmlRenderer renderer, LiteralInline literal)
        {
            string text = literal.Content.ToString();
            renderer.Write((IsInLink(literal) ? Html.Of($"{text}") : SiteIndex.Linked(path, text)).Text);
        }
    }

    private sealed class InlineCode(string path) : HtmlObjectRenderer<CodeInline>
    {
        protected override void Write(HtmlRenderer renderer, CodeInline code)
        {
            Html text = IsInLink(code) ? Html.Of($"{code.Content}") : SiteIndex.Linked(path, code.Content);
            renderer.Write(Html.Of($"<code>{text}</code>").Text);
        }
    }

    private sealed class ScrollingTable : HtmlObjectRenderer<Table>
    {
        protected override void Write(HtmlRenderer renderer, Table table)
        {
            TableRow head = table.OfType<TableRow>().First();
            string[] names = [.. head.OfType<TableCell>().Select(TextOf)];
            renderer.EnsureLine();
            renderer.WriteLine(Sections.OpenScrolling(string.Join(", ", names)).Text + "<table>");

            // Without names in Markdown the line of heads is only there because a table must have one.
            WriteRow(renderer, head, "thead", isHidden: names.All(name => name.Length == 0));
            renderer.WriteLine("<tbody>");
            foreach (TableRow row in table.OfType<TableRow>().Skip(1))
            {
                WriteRow(renderer, row, null, isHidden: false);
            }

            renderer.WriteLine("</tbody></table></div>");
        }

        private static void WriteRow(HtmlRenderer renderer, TableRow row, string? around, bool isHidden)
        {
            if (isHidden)
            {
                return;
            }

            string id = around is null ? SlugOf(row) : "";
            renderer.Write(around is null ? IsFree(row, id) ? Html.Of($"<tr id=\"{id}\">").Text : "<tr>" : $"<{around}><tr>");
            foreach (TableCell cell in row.OfType<TableCell>())
            {
                bool isHead = around is not null && TextOf(cell).Length > 0;
                renderer.Write(isHead ? "<th scope=\"col\">" : "<td>");
                bool isImplicit = renderer.ImplicitParagraph;
                renderer.ImplicitParagraph = true;
                renderer.WriteChildren(cell);
                renderer.ImplicitParagraph = isImplicit;
                renderer.Write(isHead ? "</th>" : "</td>");
            }

            renderer.WriteLine(around is null ? "</tr>" : $"</tr></{around}>");
        }

        // The first row, heading or other element of a name has it.
        private static bool IsFree(TableRow row, string id)
        {
            if (id.Length == 0 || char.IsAsciiDigit(id[0]))
            {
                return false;
            }

            MarkdownObject document = row;
            while (document is Block { Parent: { } parent })
            {
                document = parent;
            }

            bool isHeading = document.Descendants<HeadingBlock>().Any(heading => heading.GetAttributes().Id == id);
            return !isHeading && document.Descendants<TableRow>().First(other => SlugOf(other) == id) == row;
        }

        private static string SlugOf(TableRow row) => row.Count == 0 ? "" : SitePath.Slug(TextOf((TableCell)row[0]));

        private static string TextOf(TableCell cell) => string.Concat(cell.OfType<ParagraphBlock>().Select(paragraph =>
            paragraph.Inline is { } inline ? MarkdownDocumentReader.PlainText(inline) : ""));
    }
}
