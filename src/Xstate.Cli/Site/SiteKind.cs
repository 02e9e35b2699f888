namespace Xstate.Cli.Site;

/// <summary>What a page of the site is, for its reader and for the search.</summary>
internal enum SiteKind
{
    /// <summary>The first page, with the search.</summary>
    Home,

    /// <summary>A message or an end of a program, and what may be behind it.</summary>
    Symptom,

    /// <summary>How one problem is solved.</summary>
    HowTo,

    /// <summary>A case from the first symptom to the proof.</summary>
    Tutorial,

    /// <summary>What findings point at.</summary>
    Rule,

    /// <summary>What one kernel does and another does not.</summary>
    Difference,

    /// <summary>A series of Linux, or a family of kernels of a distribution.</summary>
    Kernel,

    /// <summary>A component of the extended state.</summary>
    Component,

    /// <summary>A format of files.</summary>
    Format,

    /// <summary>A verb of the command.</summary>
    Command,

    /// <summary>Everything else in docs.</summary>
    Guide,
}
