namespace Xstate.Lint;

/// <summary>Systems whose own checks decide what a contradiction does.</summary>
[Flags]
public enum LintGuest
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Linux.</summary>
    Linux = 1,

    /// <summary>Windows. Its checks have no readable source: only what the processor itself refuses counts.</summary>
    Windows = 2,

    /// <summary>FreeBSD.</summary>
    FreeBsd = 4,

    /// <summary>OpenBSD.</summary>
    OpenBsd = 8,

    /// <summary>Xen as a guest of another hypervisor.</summary>
    Xen = 16,

    /// <summary>Every system: the processor itself faults, or a program's own use of the feature does.</summary>
    Any = Linux | Windows | FreeBsd | OpenBsd | Xen,
}
