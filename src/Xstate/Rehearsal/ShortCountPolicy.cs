namespace Xstate.Rehearsal;

/// <summary>
/// What a VMM does when KVM_SET_MSRS returns a smaller count than it was given: the call stops at the first MSR that it refuses, and is no
/// error.
/// </summary>
internal enum ShortCountPolicy
{
    /// <summary>The restore ends with an error.</summary>
    End,

    /// <summary>An assertion fails and the process aborts.</summary>
    Abort,

    /// <summary>The refused MSR is left out, with a warning in the log, and those behind it are set by a further call.</summary>
    Skip,

    /// <summary>The count is not looked at: the refused MSR and all behind it stay as they are.</summary>
    Unnoticed,
}
