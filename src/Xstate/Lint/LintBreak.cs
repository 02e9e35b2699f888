using Xstate.Captures;

namespace Xstate.Lint;

/// <summary>Who suffers from a broken rule, and how.</summary>
/// <param name="Who">The systems.</param>
/// <param name="How">What happens there, as a clause.</param>
/// <param name="Source">Where that is known from.</param>
internal sealed record LintBreak(LintGuest Who, string How, string Source)
{
    /// <summary>The first release of Linux that does so; null for all.</summary>
    public KernelRelease? Since { get; init; }

    /// <summary>The first release of Linux that no longer does so; null for none.</summary>
    public KernelRelease? Until { get; init; }

    /// <summary>Whether the system only warns and goes on: told, and no reason for an error.</summary>
    public bool IsSurvived { get; init; }

    /// <summary>The systems by name, for output.</summary>
    public string Name => Who switch
    {
        LintGuest.Any => "any guest",
        LintGuest.Linux when Since is { } since => Until is { } until ? $"Linux {since} and before {until}" : $"Linux {since} and later",
        LintGuest.Linux when Until is { } until => $"Linux before {until}",
        LintGuest.Linux => "Linux",
        LintGuest.Windows => "Windows",
        LintGuest.FreeBsd => "FreeBSD",
        LintGuest.OpenBsd => "OpenBSD",
        LintGuest.Xen => "Xen",
        _ => Who.ToString(),
    };

    /// <summary>Whether a release of Linux does so; every release where none is named.</summary>
    public bool AppliesTo(KernelRelease? linux) => linux is not { } release
        || ((Since is not { } since || release.IsAtLeast(since.Major, since.Minor))
            && (Until is not { } until || !release.IsAtLeast(until.Major, until.Minor)));
}
