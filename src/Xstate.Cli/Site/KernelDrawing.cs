using System.Globalization;
using Xstate.Cli.Pages;
using Xstate.Hypervisors;

namespace Xstate.Cli.Site;

/// <summary>The releases of Linux as a bar, as the report page draws them.</summary>
internal static class KernelDrawing
{
    private static readonly string[] Series = [.. KernelTimeline.Series.Select(series => series.ToString())];

    /// <summary>What bars of partly fixed series are filled with; once on a page with bars.</summary>
    public static Html Patterns { get; } = new(
        """
        <svg width="0" height="0" aria-hidden="true" focusable="false" class="visually-hidden"><defs>
        <pattern id="partly" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
        <rect width="6" height="6" class="s-void"/><rect width="3" height="6" class="s-in-use"/></pattern></defs></svg>

        """);

    /// <summary>What the fillings mean.</summary>
    public static Html Legend { get; } = Html.Of(
        $"<ul class=\"legend\">{Html.Join(new[] { 'p', 'm', 'u', 'a' }.Select(letter => Html.Of(
            $"<li><span class=\"swatch {(letter == 'a' ? "void" : WordOf(letter))}\"></span>{TextOf(letter)}</li>")))}</ul>\n");

    /// <summary>What is known of a series, for people.</summary>
    public static string TextOf(char letter) => letter switch
    {
        'p' => "present",
        'a' => "absent",
        'm' => "present in a part of its stable releases",
        _ => "not known",
    };

    /// <summary>The same as one word.</summary>
    public static string WordOf(char letter) => letter switch { 'p' => "present", 'a' => "absent", 'm' => "partly", _ => "unknown" };

    /// <summary>A table with a bar for each difference.</summary>
    /// <param name="from">The page it stands on.</param>
    /// <param name="differences">The differences.</param>
    public static Html Timeline(string from, IEnumerable<KernelDifference> differences)
    {
        Html rows = Html.Join(differences.Select(difference => Html.Of(
            $"<tr><th scope=\"row\">{NameOf(from, difference)}</th><td class=\"span\">{Bar(difference)}</td></tr>\n")));
        Html axis = Html.Join(Series.Select((name, i) => (name, i)).Where(one => one.i % 10 == 0 || one.i == Series.Length - 1)
            .Select(one => Html.Of($"<text x=\"{Percent(one.i + 0.5)}\" y=\"14\" text-anchor=\"{Anchor(one.i)}\">{one.name}</text>")));
        Html table = Html.Of($"""
            <table><thead><tr><th scope="col">difference</th><th scope="col" class="span">
            <svg class="axis" aria-hidden="true">{axis}</svg><span class="visually-hidden">releases of Linux</span></th></tr></thead>
            <tbody>{rows}</tbody></table>
            """);
        return Html.If(!rows.IsEmpty, () => Html.Of(
            $"{Patterns}<div class=\"timeline\">{Sections.Scrolling("differences by release", table)}{Legend}</div>\n"));
    }

    private static Html NameOf(string from, KernelDifference difference) => SiteIndex.PathOf(difference.Id) == from
        ? Html.Of($"{difference.Id}") : SiteIndex.Link(from, SiteIndex.PathOf(difference.Id), Html.Of($"{difference.Id}"));

    private static Html Bar(KernelDifference difference)
    {
        (char Letter, int Start, int End)[] spans = [.. Spans(difference)];
        string text = string.Join("; ", spans.Where(span => span.Letter != 'a')
            .Select(span => $"{TextOf(span.Letter)}: {Series[span.Start]}"
                + (span.End - span.Start > 1 ? $" to {Series[span.End - 1]}" : "")));
        string label = $"{difference.Id}: {(text.Length > 0 ? text : "in no release")}";
        return Html.Of($"<svg role=\"img\" aria-label=\"{label}\">{Html.Join(spans.Select(Bar))}</svg>");
    }

    private static Html Bar((char Letter, int Start, int End) span)
    {
        bool isLine = span.Letter == 'a';
        Html place = Html.Of($"x=\"{Percent(span.Start)}\" width=\"{Percent(span.End - span.Start)}\"");
        return Html.Of($"<rect class=\"k-{WordOf(span.Letter)}\" {place} y=\"{(isLine ? 9 : 3)}\" height=\"{(isLine ? 2 : 14)}\"/>");
    }

    private static IEnumerable<(char Letter, int Start, int End)> Spans(KernelDifference difference)
    {
        char[] letters = [.. KernelTimeline.Series.Select(series => KernelTimeline.Over(difference, series))];
        for (int start = 0, end; start < letters.Length; start = end)
        {
            end = start + 1;
            while (end < letters.Length && letters[end] == letters[start])
            {
                end++;
            }

            yield return (letters[start], start, end);
        }
    }

    private static string Percent(double place) => string.Create(CultureInfo.InvariantCulture, $"{100 * place / Series.Length:0.###}%");

    private static string Anchor(int i) => i == 0 ? "start" : i == Series.Length - 1 ? "end" : "middle";
}
