using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Xstate.Hypervisors.Kernels;

/// <summary>The table of distribution kernels, as it stands in distribution-kernels.json.</summary>
internal sealed record DistributionFamily(string Id, string Title, Regex Match, string Number, ImmutableArray<DistributionRange> Ranges)
{
    private static readonly Lazy<ImmutableArray<DistributionFamily>> Table = new(Read);

    public string? OsRelease { get; init; }

    public string? Check { get; init; }

    public string? Note { get; init; }

    public static ImmutableArray<DistributionFamily> All => Table.Value;

    private static ImmutableArray<DistributionFamily> Read()
    {
        using Stream stream = typeof(DistributionFamily).Assembly.GetManifestResourceStream("distribution-kernels.json")
            ?? throw new InvalidOperationException("the table of distribution kernels is missing");
        using JsonDocument json = JsonDocument.Parse(stream);
        return [.. json.RootElement.GetProperty("families").EnumerateArray().Select(ReadFamily)];
    }

    private static DistributionFamily ReadFamily(JsonElement family)
    {
        Regex match = new(Text(family, "match")!, RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture, TimeSpan.FromSeconds(1));
        return new DistributionFamily(
            Text(family, "family")!, Text(family, "title")!, match, Text(family, "number")!,
                [.. family.GetProperty("ranges").EnumerateArray().Select(ReadRange)])
        {
            OsRelease = Text(family, "osRelease"),
            Check = Text(family, "check"),
            Note = Text(family, "note"),
        };
    }

    private static DistributionRange ReadRange(JsonElement range) => new()
    {
        Series = Text(range, "series"),
        Release = Text(range, "release"),
        Product = Text(range, "product"),
        First = NumberOf(range, "first"),
        Last = NumberOf(range, "last"),
        Minor = Text(range, "minor"),
        Z = NumberOf(range, "z"),
        FirstRelease = Text(range, "firstRelease"),
        LastRelease = Text(range, "lastRelease"),
        Base = Text(range, "base"),
        UpTo = Text(range, "upTo"),
        Present = Ids(range, "present"),
        Absent = Ids(range, "absent"),
        Unknown = Ids(range, "unknown"),
        Confidence = Text(range, "confidence")!,
        Source = Text(range, "source"),
    };

    private static string? Text(JsonElement row, string name) => row.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    private static int? NumberOf(JsonElement row, string name) => row.TryGetProperty(name, out JsonElement value) ? value.GetInt32() : null;

    private static ImmutableArray<KernelDifference> Ids(JsonElement row, string name) =>
        row.TryGetProperty(name, out JsonElement value)
            ? [.. value.EnumerateArray().Select(id => KernelDifference.Find(id.GetString()!)
                ?? throw new InvalidOperationException($"the table of distribution kernels names {id}, which is no difference"))]
            : [];
}

/// <summary>
/// One row: which builds it speaks of, what they are built from, and what is known of them. Where several rows fit, the later one wins.
/// </summary>
internal sealed record DistributionRange
{
    public string? Series { get; init; }

    public string? Release { get; init; }

    public string? Product { get; init; }

    public int? First { get; init; }

    public int? Last { get; init; }

    public string? Minor { get; init; }

    public int? Z { get; init; }

    public string? FirstRelease { get; init; }

    public string? LastRelease { get; init; }

    public string? Base { get; init; }

    public string? UpTo { get; init; }

    public ImmutableArray<KernelDifference> Present { get; init; } = [];

    public ImmutableArray<KernelDifference> Absent { get; init; } = [];

    public ImmutableArray<KernelDifference> Unknown { get; init; } = [];

    public required string Confidence { get; init; }

    public string? Source { get; init; }

    /// <summary>Whether it speaks of a build.</summary>
    public bool Speaks(Match name)
    {
        int build = BuildOf(name);
        return Is(Series, name, "series") && Is(Release, name, "release") && Is(Product, name, "product")
            && (First is null || build >= First) && (Last is null || build <= Last)
            && Is(Minor, name, "minor") && (Z is null || ZOf(name) >= Z)
            && (FirstRelease is null || Compare(name, FirstRelease) >= 0) && (LastRelease is null || Compare(name, LastRelease) <= 0);
    }

    public static int BuildOf(Match name) => name.Groups["build"] is { Success: true } build ? Parse(build.Value) : 0;

    private static bool Is(string? wanted, Match name, string group) => wanted is null || name.Groups[group].Value == wanted;

    private static int ZOf(Match name) => name.Groups["z"].Value.Split('.', StringSplitOptions.RemoveEmptyEntries) is [var first, ..]
        ? Parse(first) : 0;

    // 6.2.16-5 against 6.2.16-19.
    private static int Compare(Match name, string version)
    {
        string[] parts = version.Split('-');
        int order = DistributionReader.Release(name.Groups["release"].Value).CompareTo(DistributionReader.Release(parts[0]));
        return order != 0 ? order : BuildOf(name).CompareTo(Parse(parts[1]));
    }

    private static int Parse(string digits) => int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int number)
        ? number : int.MaxValue;
}
