namespace Xstate.Lint;

/// <summary>Who suffers from a broken rule, and how.</summary>
/// <param name="Who">The systems.</param>
/// <param name="How">What happens there, as a clause.</param>
/// <param name="Source">Where that is known from.</param>
public sealed record LintBreak(LintGuest Who, string How, string Source)
{
    /// <summary>The systems by name, for output.</summary>
    public string Name => Who switch
    {
        LintGuest.Any => "any guest",
        LintGuest.Linux => "Linux",
        LintGuest.Windows => "Windows",
        LintGuest.FreeBsd => "FreeBSD",
        LintGuest.OpenBsd => "OpenBSD",
        LintGuest.Xen => "Xen",
        _ => Who.ToString(),
    };
}
