namespace Xstate.Rehearsal;

/// <summary>How it is known what a VMM does when it restores.</summary>
internal enum RestorerEvidence
{
    /// <summary>Its source was read.</summary>
    Read,

    /// <summary>Its source was read, and the program was run: what it did agreed.</summary>
    Run,
}
