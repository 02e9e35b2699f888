using System.Diagnostics.CodeAnalysis;
using System.Text.RegularExpressions;
using Xstate.Captures;

namespace Xstate.Hypervisors.Kernels;

/// <summary>
/// Reads kernels as users name them: <c>linux-6.1.40</c>, what <c>uname -r</c> prints, or the text of /proc/version and
/// /proc/version_signature. A name is taken whole or refused, never cut.
/// </summary>
internal static partial class KernelNames
{
    private const int MaxLength = 1_024;
    private const string LinuxPrefix = "linux-";
    private const string Probing = "xstate host --probe, on that host";

    /// <summary>The newest release that was read or measured.</summary>
    public static KernelRelease Newest { get; } = new(7, 3, 4);

    /// <summary>Reads a name or a text.</summary>
    /// <param name="text">What was given.</param>
    /// <param name="evidence">What a host tells beside the name.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="error">What is wrong with the name, when the result is false.</param>
    public static bool TryRead(string text, KernelEvidence evidence, [NotNullWhen(true)] out KernelBehavior? kernel, out string error)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(evidence);
        kernel = null;
        error = "";
        text = text.Trim();
        if (text.Length is 0 or > MaxLength)
        {
            error = $"a kernel's name has 1 to {MaxLength} characters";
            return false;
        }

        if (VersionText().Match(text) is { Success: true } version)
        {
            return TryRead(version.Groups["name"].Value, evidence with { Version = text }, out kernel, out error);
        }

        if (SignatureText().Match(text) is { Success: true } signature)
        {
            string name = $"{signature.Groups["number"].Value}-{signature.Groups["flavour"].Value}";
            return TryRead(name, evidence with { Signature = text }, out kernel, out error);
        }

        if (!Allowed().IsMatch(text))
        {
            error = "a kernel's name has letters, digits and . _ + ~ - only; the text of /proc/version is taken too";
            return false;
        }

        bool named = text.StartsWith(LinuxPrefix, StringComparison.Ordinal);
        string uname = named ? text[LinuxPrefix.Length..] : text;
        if (Mainline().Match(uname) is { Success: true } mainline && (named || !mainline.Groups["patch"].Success
            || mainline.Groups["patch"].Value != "0"))
        {
            return TryMainline(uname, mainline, out kernel, out error);
        }

        if (Leading().Match(uname) is not { Success: true } leading)
        {
            error = $"{Cut(text)} names no kernel; use linux-6.12, linux-6.1.40, or what uname -r prints";
            return false;
        }

        DistributionFamily[] fitting = [.. DistributionFamily.All.Where(family => Fits(family, uname, evidence))];
        if (fitting.Length == 1)
        {
            kernel = DistributionReader.Read(fitting[0], uname, evidence);
            return true;
        }

        kernel = OfNoFamily(uname, ReleaseOf(leading), leading.Groups["rest"].Value);
        return true;
    }

    private static bool Fits(DistributionFamily family, string uname, KernelEvidence evidence) =>
        family.Match.IsMatch(uname) && (family.OsRelease is null || family.OsRelease == evidence.OsId);

    private static bool TryMainline(string uname, Match mainline, [NotNullWhen(true)] out KernelBehavior? kernel, out string error)
    {
        error = "";
        KernelRelease release = ReleaseOf(mainline);
        string name = $"{LinuxPrefix}{uname}";
        bool next = mainline.Groups["next"].Success;
        bool candidate = mainline.Groups["candidate"].Success;
        if (candidate && release.Patch is > 0 and var patch)
        {
            // What is reviewed for a stable release is between it and the one before.
            KernelReading review = new(name, "mainline", "", release.ToString(), "named")
            {
                Remark = "a candidate of a stable release: what changes with it is not known",
            };
            kernel = KernelBehavior.Over(release with { Patch = patch - 1 }, release, $"a candidate of {release}", review);
            return true;
        }

        KernelReading reading = new(name, "mainline", "", release.ToString(), "named") { Remark = RemarkOn(release) };
        kernel = !candidate && !next ? KernelBehavior.Of(release).Named(reading)
            : BeforeRelease(KernelBehavior.Of(release with { Patch = 0 }), release, next).Named(reading with
            {
                Remark = next ? "a tree of what comes next: what changes with this series or the following is not known"
                    : "a release candidate: what changes with this series is not known",
            });
        return true;
    }

    // What comes or goes with the series itself may already have, or not yet have, done so.
    private static KernelBehavior BeforeRelease(KernelBehavior kernel, KernelRelease release, bool next)
    {
        foreach (KernelDifference difference in KernelDifference.All)
        {
            bool open = difference.Releases.ChangesWith(release.Major, release.Minor)
                || (next && (difference.Releases.ChangesWith(release.Major, release.Minor + 1)
                    || difference.Releases.ChangesWith(release.Major + 1, 0)));
            if (open)
            {
                kernel = kernel.Set(difference, new DifferenceFact(Knowledge.Unknown,
                    $"it changes around {release.Major}.{release.Minor}, and this is not the release"));
            }
        }

        return kernel;
    }

    // Trusted if its third number says something; a 0 says that somebody else counts the fixes.
    private static KernelBehavior OfNoFamily(string uname, KernelRelease release, string rest)
    {
        bool candidate = Candidate().IsMatch(rest);
        if (release.Patch is > 0 && !candidate)
        {
            string trust = RemarkOn(release) ?? "no known distribution's; its number is taken on trust";
            return KernelBehavior.Of(release).Named(new KernelReading(uname, "none", "", release.ToString(), "assumed") { Remark = trust });
        }

        KernelRelease first = release with { Patch = 0 };
        string why = $"no known distribution's, and {release.Major}.{release.Minor}.0 does not tell which fixes it has";
        KernelRelease last = rest.Length == 0 ? release with { Patch = null } : Newest < first ? first : Newest;
        KernelReading reading = new(uname, "none", "", $"{release.Major}.{release.Minor}", "assumed")
        {
            HasBackports = true,
            Remark = why,
            Check = Probing
        };
        KernelBehavior kernel = KernelBehavior.Over(first, last, why, reading);
        return candidate ? BeforeRelease(kernel, release, next: true) : kernel;
    }

    /// <summary>What must be said of a release that is newer than what is known; null for others.</summary>
    internal static string? RemarkOn(KernelRelease release) => (release.Major, release.Minor).CompareTo((Newest.Major, Newest.Minor)) > 0
        ? $"newer than {Newest}, the newest that was read: taken for that one"
        : null;

    internal static KernelRelease ReleaseOf(Match match) => new(
        int.Parse(match.Groups["major"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture),
        int.Parse(match.Groups["minor"].ValueSpan, System.Globalization.CultureInfo.InvariantCulture),
        match.Groups["patch"] is { Success: true } patch
            ? int.Parse(patch.ValueSpan, System.Globalization.CultureInfo.InvariantCulture) : null);

    private static string Cut(string text) => text.Length <= 80 ? text : $"{text[..80]}…";

    private const RegexOptions Options = RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture;

    [GeneratedRegex(@"^Linux version (?<name>[A-Za-z0-9._+~-]{1,128}) ", Options, 1000)]
    private static partial Regex VersionText();

    [GeneratedRegex(@"^Ubuntu (?<number>\d+\.\d+\.\d+-\d+)\.\d+[A-Za-z0-9.~+]*-(?<flavour>[a-z0-9-]{1,32}) \d+\.\d+\.\d+$", Options, 1000)]
    private static partial Regex SignatureText();

    [GeneratedRegex(@"rc\d|-next", Options, 1000)]
    private static partial Regex Candidate();

    [GeneratedRegex(@"^[A-Za-z0-9._+~-]+\z", Options, 1000)]
    private static partial Regex Allowed();

    [GeneratedRegex(@"^(?<major>\d{1,3})\.(?<minor>\d{1,3})(\.(?<patch>\d{1,4}))?(?<candidate>-rc\d{1,2})?(?<next>-next(-\d{8})?)?\z",
        Options, 1000)]
    private static partial Regex Mainline();

    [GeneratedRegex(@"^(?<major>\d{1,3})\.(?<minor>\d{1,3})(\.(?<patch>\d{1,4})(?<rest>([-+_~.].*)?)|(?<rest>(([-+_~]|\.(?!\d)).*)?))\z",
        Options, 1000)]
    private static partial Regex Leading();
}
