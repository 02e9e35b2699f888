namespace Xstate.Cli.Site;

/// <summary>Parts that many pages have.</summary>
internal static class Sections
{
    /// <summary>A section with a heading that can be linked to.</summary>
    public static Html Section(string id, string title, Html content) => Html.If(!content.IsEmpty, () =>
        Html.Of($"<section aria-labelledby=\"{id}\">{Heading(2, id, Html.Of($"{title}"))}{content}</section>\n"));

    /// <summary>A heading that can be linked to.</summary>
    public static Html Heading(int level, string id, Html text) =>
        Html.Of($"<h{level} id=\"{id}\">{text} {Anchor(id)}</h{level}>\n");

    /// <summary>A link to the place where it stands.</summary>
    public static Html Anchor(string id) => Html.Of($"<a class=\"anchor\" href=\"#{id}\" aria-label=\"Link to this section\">#</a>");

    /// <summary>A paragraph, or nothing.</summary>
    public static Html Paragraph(Html text) => Html.If(!text.IsEmpty, () => Html.Of($"<p>{text}</p>\n"));

    /// <summary>A paragraph with links, or nothing.</summary>
    public static Html Paragraph(string from, string? text) =>
        string.IsNullOrEmpty(text) ? Html.Empty : Paragraph(SiteIndex.Linked(from, text));

    /// <summary>A list, or nothing.</summary>
    public static Html List(IEnumerable<Html> items) => Wrap("ul", items.Select(item => Html.Of($"<li>{item}</li>")));

    /// <summary>A command to type.</summary>
    public static Html Command(string line) =>
        Html.Of($"<pre class=\"console\" tabindex=\"0\"><code><span class=\"prompt\">$ </span><b>{line}</b></code></pre>\n");

    /// <summary>A table, or nothing without rows. It scrolls where it is wider than its page.</summary>
    /// <param name="label">What it is about.</param>
    /// <param name="heads">The names of its columns.</param>
    /// <param name="rows">Its rows; the first cell is the row's head.</param>
    public static Html Table(string label, IReadOnlyList<string> heads, IEnumerable<IReadOnlyList<Html>> rows)
    {
        Html body = Html.Join(rows.Select(row => Html.Of(
            $"<tr><th scope=\"row\">{row[0]}</th>{Html.Join(row.Skip(1).Select(cell => Html.Of($"<td>{OrBlank(cell)}</td>")))}</tr>\n")));
        Html head = Html.Join(heads.Select(name => Html.Of($"<th scope=\"col\">{OrBlank(Html.Of($"{name}"))}</th>")));
        return Html.If(!body.IsEmpty, () => Scrolling(label,
            Html.Of($"<table><thead><tr>{head}</tr></thead>\n<tbody>\n{body}</tbody></table>")));
    }

    /// <summary>What may be wider than the page, in a region that the keyboard reaches.</summary>
    public static Html Scrolling(string label, Html content) => Html.Of($"{OpenScrolling(label)}{content}</div>\n");

    /// <summary>The beginning of such a region, which ends with its element.</summary>
    public static Html OpenScrolling(string label) =>
        Html.Of($"<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Table: {label}\">");

    /// <summary>The severity of a rule.</summary>
    public static Html Chip(string word) => Html.Of($"<span class=\"chip {word}\">{word}</span>");

    private static Html Wrap(string tag, IEnumerable<Html> items)
    {
        Html all = Html.Join(items);
        return Html.If(!all.IsEmpty, () => Html.Of($"<{new Html(tag)}>{all}</{new Html(tag)}>\n"));
    }

    // A join leaves out what is empty, and a cell may not be left out.
    private static Html OrBlank(Html cell) => cell.IsEmpty ? new Html("<span></span>") : cell;
}
