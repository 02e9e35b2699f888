using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Hypervisors;

/// <summary>
/// The releases of mainline and stable Linux that have a difference, as data: spans of series, the stable releases in which a fix or a
/// regression arrived, and what is not settled. What people read (<see cref="ToString"/>) is made from the same data.
/// </summary>
/// <remarks>
/// <c>Releases.From(5, 17).Until(6, 6).Except(6, 1, 60)</c> is every release from 5.17 on and before 6.6, but of the series 6.1 only those
/// before 6.1.60.
/// </remarks>
internal sealed class Releases
{
    private readonly ImmutableArray<Part> _parts;
    private readonly ImmutableArray<Gap> _unsettled;

    private Releases(ImmutableArray<Part> parts, ImmutableArray<Gap> unsettled)
    {
        _parts = parts;
        _unsettled = unsettled;
    }

    /// <summary>Every release.</summary>
    public static Releases All { get; } = new([new Part(null, null, [], [])], []);

    /// <summary>No release: a flavour or a distribution brings it.</summary>
    public static Releases None { get; } = new([], []);

    /// <summary>The first release of a series, and all later ones.</summary>
    public static Releases From(int major, int minor) => new([new Part(new KernelRelease(major, minor, 0), null, [], [])], []);

    /// <summary>Everything before a series: <c>Before(5, 16)</c> ends with the last 5.15.</summary>
    public static Releases Before(int major, int minor) => All.Until(major, minor);

    /// <summary>The same releases as far as they come before a series.</summary>
    public Releases Until(int major, int minor) => Last(part => part with { End = new KernelRelease(major, minor, 0) });

    /// <summary>Not a series from one of its stable releases on, which has what ended the difference.</summary>
    public Releases Except(int major, int minor, int patch) =>
        Last(part => part with { Fixed = part.Fixed.Add(new KernelRelease(major, minor, patch)) });

    /// <summary>A series too, from one of its stable releases on.</summary>
    public Releases Also(int major, int minor, int patch) =>
        Last(part => part with { Added = part.Added.Add(new KernelRelease(major, minor, patch)) });

    /// <summary>The releases of both.</summary>
    public Releases Or(Releases other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return new Releases(_parts.AddRange(other._parts), _unsettled.AddRange(other._unsettled));
    }

    /// <summary>Of these, first and last included, it is not known.</summary>
    public Releases Unsettled(KernelRelease first, KernelRelease last) => new(_parts, _unsettled.Add(new Gap(first, last)));

    /// <summary>Whether a release has the difference.</summary>
    public Knowledge Of(KernelRelease release) =>
        _unsettled.Any(gap => gap.Contains(release)) ? Knowledge.Unknown
        : _parts.Any(part => part.Contains(release)) ? Knowledge.Present
        : Knowledge.Absent;

    /// <summary>What is known of a kernel that is some release of a span: unknown unless all of them agree.</summary>
    public Knowledge Over(KernelRelease first, KernelRelease last)
    {
        IEnumerable<KernelRelease> edges = _parts.SelectMany(part => part.Edges).Concat(_unsettled.Select(gap => gap.First)).Where(edge =>
            edge > first && edge < last);
        Knowledge[] found = [.. edges.Prepend(last).Prepend(first).Select(Of).Distinct()];
        return found.Length == 1 ? found[0] : Knowledge.Unknown;
    }

    /// <summary>Whether not all stable releases of a series agree, so that the series' name alone does not settle it.</summary>
    public bool ChangesWithin(int major, int minor) =>
        _parts.Any(part => part.Fixed.Concat(part.Added).Any(stable => stable.Major == major && stable.Minor == minor))
        || _unsettled.Any(gap => (gap.First.Major, gap.First.Minor) == (major, minor)
            || (gap.Last.Major, gap.Last.Minor) == (major, minor));

    /// <summary>
    /// Whether the difference came or went with the first release of a series, so that its release candidates are on either side.
    /// </summary>
    public bool ChangesWith(int major, int minor)
    {
        KernelRelease first = new(major, minor, 0);
        return _parts.Any(part => part.Start == first || part.End == first);
    }

    /// <summary><c>5.17 to 6.5, but not from 6.1.60 and 6.5.9 on</c>.</summary>
    public override string ToString()
    {
        string parts = _parts.IsEmpty ? "none" : string.Join("; ", _parts);
        return _unsettled.IsEmpty ? parts : $"{parts}; not known of {string.Join(" and ", _unsettled)}";
    }

    private Releases Last(Func<Part, Part> change) => new(_parts.SetItem(_parts.Length - 1, change(_parts[^1])), _unsettled);

    private static string List(IEnumerable<KernelRelease> releases)
    {
        string[] texts = [.. releases.Select(release => release.ToString())];
        return texts.Length == 1 ? texts[0] : $"{string.Join(", ", texts[..^1])} and {texts[^1]}";
    }

    // 5.19 came before 6.0.
    private static string SeriesBefore(KernelRelease series) => series switch
    {
        { Minor: > 0 } => $"{series.Major}.{series.Minor - 1}",
        { Major: 4 or 7 } => $"{series.Major - 1}.19",
        { Major: 5 } => "4.20",
        { Major: 6 } => "5.19",
        _ => throw new ArgumentOutOfRangeException(nameof(series), series, "no series before it is known"),
    };

    private sealed record Part(KernelRelease? Start, KernelRelease? End, ImmutableArray<KernelRelease> Fixed,
        ImmutableArray<KernelRelease> Added)
    {
        public bool Contains(KernelRelease release) =>
            Added.Any(stable => release.IsStableAtLeast(stable.Major, stable.Minor, stable.Patch ?? 0))
            || ((Start is null || release >= Start) && (End is null || release < End)
                && !Fixed.Any(stable => release.IsStableAtLeast(stable.Major, stable.Minor, stable.Patch ?? 0)));

        public IEnumerable<KernelRelease> Edges => new[] { Start, End }.OfType<KernelRelease>().Concat(Fixed).Concat(Added);

        public override string ToString()
        {
            string span = (Start, End) switch
            {
                (null, null) => "all",
                ({ } start, null) => $"{start.Major}.{start.Minor} and later",
                (null, { } end) => $"up to {SeriesBefore(end)}",
                ({ } start, { } end) => SeriesBefore(end) == $"{start.Major}.{start.Minor}"
                    ? SeriesBefore(end) : $"{start.Major}.{start.Minor} to {SeriesBefore(end)}",
            };
            span = Added.IsEmpty ? span : $"{span}, also from {List(Added)} on";
            return Fixed.IsEmpty ? span : $"{span}, but not from {List(Fixed)} on";
        }
    }

    private sealed record Gap(KernelRelease First, KernelRelease Last)
    {
        public bool Contains(KernelRelease release) => release >= First && release <= Last;

        public override string ToString() => First == Last ? First.ToString() : $"{First} to {Last}";
    }
}
