namespace Xstate.Findings;

/// <summary>How much a finding matters to someone who wants the state to arrive unchanged.</summary>
public enum Severity
{
    /// <summary>Worth knowing; nothing is lost.</summary>
    Info,

    /// <summary>Works, but by luck or with a visible difference.</summary>
    Warning,

    /// <summary>Refused, lost or dangerous; the exit code becomes 1.</summary>
    Error,
}
