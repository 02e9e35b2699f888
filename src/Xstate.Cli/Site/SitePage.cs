using System.Collections.Immutable;

namespace Xstate.Cli.Site;

/// <summary>One page of the site, without what all of them have.</summary>
/// <param name="Path">Its path in the site, with slashes: it is permanent.</param>
/// <param name="Kind">What it is.</param>
/// <param name="Title">Its title.</param>
/// <param name="Body">What stands below the title.</param>
internal sealed record SitePage(string Path, SiteKind Kind, string Title, Html Body)
{
    private readonly Html? _heading;

    /// <summary>The title with its markup.</summary>
    public Html Heading
    {
        get => _heading ?? Html.Of($"{Title}");
        init => _heading = value;
    }

    /// <summary>What the list of results says of it.</summary>
    public string Summary { get; init; } = "";

    /// <summary>Messages that lead here, each whole.</summary>
    public ImmutableArray<string> Phrases { get; init; } = [];

    /// <summary>Whether it only lists other pages, which the search finds by themselves.</summary>
    public bool IsIndex { get; init; }

    /// <summary>What a reader calls a kind.</summary>
    public static string NameOf(SiteKind kind) => kind switch
    {
        SiteKind.Home => "Reference",
        SiteKind.Symptom => "Symptom",
        SiteKind.HowTo => "How-to",
        SiteKind.Tutorial => "Tutorial",
        SiteKind.Rule => "Rule",
        SiteKind.Difference => "Kernel difference",
        SiteKind.Kernel => "Kernel",
        SiteKind.Component => "Component",
        SiteKind.Format => "Format",
        SiteKind.Command => "Command",
        _ => "Guide",
    };
}
