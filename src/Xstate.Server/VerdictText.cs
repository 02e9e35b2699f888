using Xstate.Fleet;

namespace Xstate.Server;

/// <summary>An outcome in a few words.</summary>
internal static class VerdictText
{
    /// <summary><c>refused (XS0102)</c>.</summary>
    public static string Of(MoveOutcome outcome)
    {
        string verdict = outcome.Verdict.ToString().ToLowerInvariant();
        return outcome.Rules.IsEmpty ? verdict : $"{verdict} ({string.Join(", ", outcome.Rules)})";
    }
}
