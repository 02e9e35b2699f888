using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Cli.Pages;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Cli.Site;

/// <summary>A page for each series of Linux and each family of kernels of distributions.</summary>
internal static class KernelSitePages
{
    private const string IndexPath = "kernels/index.html";

    /// <summary>Kernels of distributions that many hosts run, as they are read without a host.</summary>
    public static ImmutableArray<KernelBehavior> Landmarks { get; } = [.. KernelTimeline.Landmarks.Select(Read)];

    /// <summary>All of them.</summary>
    public static IEnumerable<SitePage> All() =>
        [Index(), .. KernelTimeline.Series.Select(PageOf), .. DistributionFamily.All.Select(DistributionSitePage.Of)];

    /// <summary>The page of a series.</summary>
    public static string PathOf(KernelRelease series) => $"kernels/linux-{series}.html";

    private static SitePage Index()
    {
        Html series = Html.Join(KernelTimeline.Series.Select(one =>
            SiteIndex.Link(IndexPath, PathOf(one), Html.Of($"{one.ToString()}"))), " ");
        Html families = Sections.List(DistributionFamily.All.Select(family =>
            SiteIndex.Link(IndexPath, DistributionSitePage.PathOf(family), Html.Of($"{DistributionSitePage.TitleOf(family)}"))));
        Html[] sections =
        [
            Html.Of($"<p>What a kernel does follows from its name where somebody has read or measured it; the rest is unknown.</p>\n"),
            Sections.Command($"{App.Name} rules --kernel $(uname -r)"),
            Sections.Section("series", "Series of Linux", Html.Of($"<p class=\"series\">{series}</p>\n")),
            Sections.Section("distributions", "Distributions", families),
            Sections.Section("timeline", "Every difference over the series", KernelDrawing.Timeline(IndexPath, KernelDifference.All)),
        ];
        return new SitePage(IndexPath, SiteKind.Kernel, "Kernels", Html.Join(sections))
        {
            Summary = "Named differences over the series of Linux, and kernels of distributions.",
            IsIndex = true,
        };
    }

    private static SitePage PageOf(KernelRelease series)
    {
        string path = PathOf(series);
        ILookup<char, KernelDifference> known = KernelDifference.All.ToLookup(difference => KernelTimeline.Over(difference, series));
        Html[] sections =
        [
            Section('p', "What every release of the series does"),
            Section('m', "What a part of its stable releases does"),
            Section('u', "What is not known"),
            Sections.Section("absent", "What it does not do",
                Sections.Paragraph(Html.Join(known['a'].Select(difference => SiteIndex.Link(path, difference.Id)), ", "))),
            Sections.Section("on-the-command-line", "On the command line", Sections.Command($"{App.Name} rules --kernel linux-{series}")),
        ];
        return new SitePage(path, SiteKind.Kernel, $"Linux {series}", Html.Join(sections))
        {
            Summary = $"{known['p'].Count()} differences present, {known['m'].Count()} in a part of its releases, "
                + $"{known['u'].Count()} not known, {known['a'].Count()} absent.",
            IsIndex = true,
        };

        Html Section(char letter, string title) => Sections.Section(KernelDrawing.WordOf(letter), title,
            Sections.Table(title, ["Difference", "Releases", "Effect"], known[letter].Select(difference => (Html[])
            [
                SiteIndex.Link(path, difference.Id), Html.Of($"{difference.Affected}"), Html.Of($"{difference.Effect}"),
            ])));
    }

    private static KernelBehavior Read(string name) =>
        KernelNames.TryRead(name, KernelEvidence.None, out KernelBehavior? kernel, out string error) ? kernel
        : throw new InvalidOperationException(error);
}
