using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Cli.Site;

/// <summary>A page for each rule and each named difference of kernels, and the list of both.</summary>
internal static class RuleSitePages
{
    private const string IndexPath = "rules/index.html";

    /// <summary>All of them.</summary>
    public static IEnumerable<SitePage> All() =>
        [Index(), .. SiteIndex.Rules.Select(PageOf), .. KernelDifference.All.Select(PageOf)];

    private static SitePage Index()
    {
        Html rules = Sections.Table("rules", ["Rule", "Severity", "What it says"], SiteIndex.Rules.Select(rule => (Html[])
        [
            SiteIndex.Link(IndexPath, rule.Id), Sections.Chip(WordOf(rule.Severity)),
            Html.Of($"<span id=\"{rule.Id}\">{rule.Title}</span>"),
        ]));
        Html differences = Sections.Table("differences of kernels", ["Difference", "Kernels"], KernelDifference.All.Select(one => (Html[])
        [
            SiteIndex.Link(IndexPath, one.Id), Html.Of($"<span id=\"{one.Id}\">{one.Affected}</span>"),
        ]));
        return new SitePage(IndexPath, SiteKind.Rule, "Rules and kernel differences", Html.Join(
        [
            Sections.Section("rules", "Rules", rules),
            Sections.Section("kernel-differences", "Named differences of kernels", differences),
        ]))
        {
            Summary = "Every rule that a finding points at, and every named difference of kernels.",
            IsIndex = true,
        };
    }

    private static SitePage PageOf(Rule rule)
    {
        string path = SiteIndex.PathOf(rule.Id);
        Symptom[] symptoms = [.. Symptoms.All.Where(symptom => symptom.Rules.Contains(rule))];
        Html body = Html.Of($"<p>{Sections.Chip(WordOf(rule.Severity))}</p>\n{Sections.Paragraph(path, rule.Explanation)}");
        Html seen = Sections.List(symptoms.Select(symptom => Html.Of(
            $"{Named(path, symptom)} <span class=\"soft\">({symptom.PrintedBy})</span>")));
        Html[] sections =
        [
            body,
            Sections.Section("what-to-do", "What to do", Sections.Paragraph(path, rule.Mend)),
            Sections.Section("seen-as", "How it shows itself", seen),
            Sections.Section("kernels", "Which kernels", KernelDrawing.Timeline(path, KernelDifference.Deciding(rule))),
            Sections.Section("source", "Source", Sections.Paragraph(path, rule.Source)),
            Sections.Section("on-the-command-line", "On the command line", Sections.Command($"{App.Name} rules {rule.Id}")),
        ];
        return new SitePage(path, SiteKind.Rule, $"{rule.Id}: {rule.Title}", Html.Join(sections))
        {
            Summary = rule.Explanation,
            Phrases = [.. symptoms.Select(symptom => symptom.Text)],
        };
    }

    private static SitePage PageOf(KernelDifference difference)
    {
        string path = SiteIndex.PathOf(difference.Id);
        Html rules = Sections.List(difference.Decides.Select(rule => Html.Of($"{SiteIndex.Link(path, rule.Id)} {rule.Title}")));
        string? option = difference.Configuration is { } name ? $"A kernel of these releases has it with the build option {name}." : null;
        Html kernels = Html.Join(
        [
            Sections.Paragraph(path, difference.Affected), Sections.Paragraph(path, option), KernelDrawing.Timeline(path, [difference]),
            Distributions(difference),
        ]);
        Html[] sections =
        [
            Sections.Paragraph(path, difference.Effect),
            Sections.Section("kernels", "Which kernels", kernels),
            Sections.Section("probe", "How to find out on a live kernel", Sections.Paragraph(path, difference.Probe)),
            Sections.Section("decides", "Rules that it decides", rules),
            Sections.Section("source", "Source", Sections.Paragraph(path, difference.Source)),
            Sections.Section("on-the-command-line", "On the command line",
                Sections.Command($"{App.Name} rules {difference.Id} --kernel $(uname -r)")),
        ];
        return new SitePage(path, SiteKind.Difference, difference.Id, Html.Join(sections)) { Summary = difference.Effect };
    }

    private static Html Named(string path, Symptom symptom) =>
        SiteIndex.Link(path, SiteIndex.PathOf(symptom), Html.Of($"{symptom.Text}"));

    private static Html Distributions(KernelDifference difference) => Sections.Table("kernels of distributions",
        ["Kernel of a distribution", "This difference"], KernelSitePages.Landmarks.Select(kernel => (Html[])
        [
            Html.Of($"<code>{kernel.Reading.Name}</code> <span class=\"soft\">{kernel.Reading.Title}</span>"),
            KnowledgeOf(kernel, difference),
        ]));

    private static Html KnowledgeOf(KernelBehavior kernel, KernelDifference difference)
    {
        DifferenceFact fact = kernel.Fact(difference);
        string word = Reports.RulesReport.NameOf(fact.Knowledge);
        return Html.Of($"<span class=\"know {word}\">{word}</span> <span class=\"soft\">{fact.Why}</span>");
    }

    private static string WordOf(Severity severity) => severity.ToString().ToLowerInvariant();
}
