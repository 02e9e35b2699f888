using System.Collections.Immutable;
using Xstate.Findings;

namespace Xstate.Cli.Site;

/// <summary>A page for each message or end of a program, with every cause on it.</summary>
internal static class SymptomSitePages
{
    private const string IndexPath = "symptoms/index.html";

    /// <summary>All of them.</summary>
    /// <param name="howTos">The pages that solve one problem.</param>
    public static IEnumerable<SitePage> All(IReadOnlyCollection<SitePage> howTos) =>
        [Index(), .. Symptoms.All.Select(symptom => PageOf(symptom, howTos))];

    /// <summary>The messages that a page with this title is about, most of all first.</summary>
    public static ImmutableArray<Symptom> Of(SitePage howTo)
    {
        ImmutableArray<Symptom> named = Symptoms.Search(howTo.Title);
        IEnumerable<Symptom> akin = Symptoms.All.Except(named).Where(symptom => named.Any(one => one.Rules[0] == symptom.Rules[0]));
        return [.. named, .. akin];
    }

    private static Html Cause(string path, Rule rule)
    {
        Html heading = Html.Of($"{SiteIndex.Link(path, SiteIndex.PathOf(rule.Id), Html.Of($"{rule.Id}"))} {rule.Title}");
        Html remedy = Html.Of($"<p><b>What to do.</b> {SiteIndex.Linked(path, rule.Mend)}</p>");
        return Html.Of($"<article id=\"{rule.Id}\"><h3>{heading}</h3>\n{Sections.Paragraph(path, rule.Explanation)}{remedy}</article>\n");
    }

    private static SitePage Index() => new(IndexPath, SiteKind.Symptom, "Symptoms", Sections.Table("symptoms",
        ["What you see", "Who prints it"], Symptoms.All.Select(symptom => (Html[])
        [
            SiteIndex.Link(IndexPath, SiteIndex.PathOf(symptom), Html.Of($"{symptom.Text}")), Html.Of($"{symptom.PrintedBy}"),
        ])))
    {
        Summary = "Messages and ends of programs, and the rules that may be behind each.",
        IsIndex = true,
    };

    private static SitePage PageOf(Symptom symptom, IReadOnlyCollection<SitePage> howTos)
    {
        string path = SiteIndex.PathOf(symptom);
        SitePage[] solving = [.. howTos.Where(page => Of(page).Contains(symptom))];
        Html causes = Html.Join(symptom.Rules.Select(rule => Cause(path, rule)));
        Html[] sections =
        [
            Html.Of($"<p>Printed by: {symptom.PrintedBy}.</p>\n"),
            Sections.Section("how-to", "Step by step", Sections.List(solving.Select(page =>
                SiteIndex.Link(path, page.Path, page.Heading)))),
            Sections.Section("find-out", "Find out which cause it is", Html.Of($"<pre tabindex=\"0\"><code>{symptom.Next}</code></pre>\n")),
            Sections.Section("causes", "Causes, the likeliest first", causes),
        ];
        return new SitePage(path, SiteKind.Symptom, symptom.Text, Html.Join(sections))
        {
            Summary = $"{symptom.Rules.Length} causes: {string.Join("; ", symptom.Rules.Select(rule => rule.Title))}",
            Phrases = [symptom.Text, .. symptom.Words],
        };
    }
}
