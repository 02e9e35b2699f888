using System.Collections.Immutable;
using System.Text.RegularExpressions;
using Xstate.Captures;

namespace Xstate.Hypervisors.Kernels;

/// <summary>Looks one kernel of a known family up.</summary>
internal static partial class DistributionReader
{
    public static KernelBehavior Read(DistributionFamily family, string uname, KernelEvidence evidence)
    {
        Match name = family.Match.Match(uname);
        DistributionRange[] rows = [.. family.Ranges.Where(row => row.Speaks(name))];
        Span basis = Told(evidence, uname) ?? BaseOf(family, name, rows);
        KernelReading reading = new(uname, family.Id, family.Title, basis.Text, basis.Confidence)
        {
            HasBackports = basis.HasBackports,
            Remark = basis.Remark,
            Check = family.Check is null ? null : $"{family.Check}, on that host",
        };
        KernelBehavior kernel = KernelBehavior.Over(basis.First, basis.Last,
            $"{basis.Confidence}: {family.Title} {uname} is built from {basis.Text}{(basis.HasBackports ? " with backports" : "")}",
            reading);
        foreach (DistributionRange row in rows)
        {
            string why = $"{row.Confidence}: {row.Source ?? family.Note ?? family.Title}";
            kernel = Settle(kernel, row.Present, new DifferenceFact(Knowledge.Present, why));
            kernel = Settle(kernel, row.Absent, new DifferenceFact(Knowledge.Absent, why));
            kernel = Settle(kernel, row.Unknown, new DifferenceFact(Knowledge.Unknown, row.Source ?? family.Note
                ?? $"nothing was read of {family.Title} {uname}"));
        }

        return DifferenceRelations.Fill(kernel);
    }

    private static KernelBehavior Settle(KernelBehavior kernel, ImmutableArray<KernelDifference> differences, DifferenceFact fact) =>
        differences.Aggregate(kernel, (now, difference) => now.Set(difference, fact));

    // Debian tells the release in /proc/version; Ubuntu in its signature, and in the brackets of /proc/version. A compiler's version stands
    // there too.
    private static Span? Told(KernelEvidence evidence, string uname)
    {
        Match told = evidence.Signature is { } signature ? Signature().Match(signature.Trim()) : Match.Empty;
        told = told.Success || evidence.Version is null ? told : Version().Match(evidence.Version);
        return told.Success && KernelRelease.TryParse(told.Groups["release"].Value, out KernelRelease release)
            && KernelRelease.TryParse(uname, out KernelRelease named) && (release.Major, release.Minor) == (named.Major, named.Minor)
                ? new Span(release, release, release.ToString(), "signature", null)
                : null;
    }

    private static Span BaseOf(DistributionFamily family, Match name, DistributionRange[] rows)
    {
        string confidence = rows.LastOrDefault()?.Confidence ?? "assumed";
        if (family.Number == "release")
        {
            // Where no third number stands it is 0.
            KernelRelease release = Release(name.Groups["release"].Value);
            release = release with { Patch = release.Patch ?? 0 };
            return new Span(release, release, release.ToString(), confidence, KernelNames.RemarkOn(release));
        }

        if (rows.LastOrDefault(row => row.Base is not null) is { } row)
        {
            Span known = Parse(row.Base!, row.Confidence);
            return family.Number == "backports"
                ? known with
                {
                    Last = row.UpTo == "newest" ? KernelNames.Newest : Release(row.UpTo!),
                    Text = Series(known.First),
                    HasBackports = true
                }
                : known;
        }

        return family.Number == "backports" ? Unread(name, family) : Between(family, name);
    }

    // Nothing was read of this build: everything that changed since its base is open.
    private static Span Unread(Match name, DistributionFamily family)
    {
        KernelRelease release = Release(name.Value.Split('-')[0]);
        return new Span(release, KernelNames.Newest, Series(release), "assumed",
            $"no build of {family.Title} like this was read")
        { HasBackports = true };
    }

    // The base rises with the build number; clouds count from 1001 on.
    private static Span Between(DistributionFamily family, Match name)
    {
        int build = DistributionRange.BuildOf(name);
        string series = name.Groups["series"].Value;
        DistributionRange[] points = [.. family.Ranges.Where(row => row.Series == series && row.Base is not null && row.First is not null
            && row.First >= 1000 == build >= 1000)];
        DistributionRange? before = points.Where(row => row.First < build).MaxBy(row => row.First);
        DistributionRange? after = points.Where(row => row.First > build).MinBy(row => row.First);
        KernelRelease newest = Release(series);
        KernelRelease first = before is null ? newest with { Patch = 0 } : Parse(before.Base!, "").First;
        if (before is not null && after is null && build < 1000)
        {
            return new Span(first, first, first.ToString(), "inferred",
                $"newer than build {before.First}, the newest of {series} that was read: taken for that one");
        }

        KernelRelease last = after is null ? newest : Parse(after.Base!, "").Last;
        (first, last) = first <= last ? (first, last) : (last, first);
        string confidence = before is null && after is null ? "assumed" : "inferred";
        return new Span(first, last, first == last ? first.ToString() : $"{first} to {last}", confidence, before is null && after is null
            ? $"no build of {series} was read" : null);
    }

    private static string Series(KernelRelease release) => $"{release.Major}.{release.Minor}";

    internal static KernelRelease Release(string text) => KernelRelease.TryParse(text, out KernelRelease release) ? release
        : throw new FormatException($"{text} is no release");

    private static Span Parse(string text, string confidence)
    {
        string[] ends = text.Split(" to ");
        return new Span(Release(ends[0]), Release(ends[^1]), text, confidence, null);
    }

    private sealed record Span(KernelRelease First, KernelRelease Last, string Text, string Confidence, string? Remark)
    {
        public bool HasBackports { get; init; }
    }

    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    [GeneratedRegex(@"^Ubuntu \S+ (?<release>\d+\.\d+\.\d+)$", Options, 1000)]
    private static partial Regex Signature();

    [GeneratedRegex(@" Debian (?<release>\d+\.\d+\.\d+)[-~+]|\(Ubuntu \S+ (?<release>\d+\.\d+\.\d+)\)", Options, 1000)]
    private static partial Regex Version();
}
