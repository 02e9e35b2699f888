using System.Collections.Immutable;
using System.Globalization;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Cli.Site;

/// <summary>The page of a family of kernels of a distribution: what its builds are made from, and what is known of them.</summary>
internal static class DistributionSitePage
{
    /// <summary>The page of a family.</summary>
    public static string PathOf(DistributionFamily family) => $"kernels/{family.Id}.html";

    /// <summary>Its name; several families of one distribution differ by their ids.</summary>
    public static string TitleOf(DistributionFamily family) =>
        DistributionFamily.All.Count(other => other.Title == family.Title) == 1 ? family.Title : $"{family.Title} ({family.Id})";

    /// <summary>The page.</summary>
    public static SitePage Of(DistributionFamily family)
    {
        string path = PathOf(family);
        KernelBehavior[] examples = [.. KernelSitePages.Landmarks.Where(kernel => kernel.Reading.Family == family.Id)];
        Html rows = Sections.Table("builds", ["Builds", "Made from", "Known beyond that", "How it is known"],
            family.Ranges.Select(range => (Html[])
            [
                Html.Of($"{BuildsOf(range)}"), Html.Of($"{BaseOf(range)}"), KnownOf(path, range),
                Html.Of($"{range.Confidence} <span class=\"soft\">{range.Source}</span>"),
            ]));
        Html named = Sections.List(examples.Select(kernel => Html.Of(
            $"<code>{kernel.Reading.Name}</code> <span class=\"soft\">{kernel.Reading.Base}, {kernel.Reading.Confidence}</span>")));
        string[] notes = [.. new[] { family.Note }.OfType<string>()];
        Html[] sections =
        [
            Html.Of($"<p>Kernels whose name, as <code>uname -r</code> prints it, fits <code>{family.Match.ToString()}</code>.</p>\n"),
            Html.If(family.OsRelease is not null, () =>
                Html.Of($"<p>Only where os-release says <code>ID={family.OsRelease}</code>.</p>\n")),
            Html.Join(notes.Select(note => Sections.Paragraph(path, $"Source: {note}."))),
            Html.If(family.Check is not null, () => Html.Of($"<p>What tells more on such a host: <code>{family.Check}</code></p>\n")),
            Sections.Section("names", "Names, and how they are read", named),
            Sections.Section("builds", "Builds", Html.Of(
                $"<p>Where several rows speak of a build, the later one wins.</p>\n{rows}")),
        ];
        return new SitePage(path, SiteKind.Kernel, $"Kernels of {TitleOf(family)}", Html.Join(sections))
        {
            Summary = $"How the names of {family.Title}'s kernels are read, and what is known of {family.Ranges.Length} ranges of builds.",
        };
    }

    private static string BuildsOf(DistributionRange range)
    {
        string?[] parts =
        [
            range.Series, range.Release, range.Product, Span(Number(range.First), Number(range.Last)),
            Span(range.FirstRelease, range.LastRelease), range.Minor is { } minor ? $".{minor}" : null,
            range.Z is { } z ? $"from its .{z.ToString(CultureInfo.InvariantCulture)} on" : null,
        ];
        string text = string.Join(' ', parts.OfType<string>());
        return text.Length > 0 ? text : "all";
    }

    private static string? Span(string? first, string? last) => (first, last) switch
    {
        (null, null) => null,
        (null, _) => $"up to -{last}",
        (_, null) => $"from -{first} on",
        _ => first == last ? $"-{first}" : $"-{first} to -{last}",
    };

    private static string? Number(int? number) => number?.ToString(CultureInfo.InvariantCulture);

    private static string BaseOf(DistributionRange range) => (range.Base, range.UpTo) switch
    {
        (null, null) => "as the rows above say",
        (_, null) => range.Base,
        (null, _) => $"up to {range.UpTo}",
        _ => $"{range.Base}, changes up to {range.UpTo}",
    };

    private static Html KnownOf(string path, DistributionRange range) => Html.Join(
    [
        Known(path, "present: ", range.Present), Known(path, "absent: ", range.Absent), Known(path, "unknown: ", range.Unknown),
    ], " ");

    private static Html Known(string path, string word, ImmutableArray<KernelDifference> differences) => Html.If(!differences.IsEmpty, () =>
        Html.Of($"{word}{Html.Join(differences.Select(difference => SiteIndex.Link(path, difference.Id)), ", ")}"));
}
