namespace Xstate.WorldSwitch;

/// <summary>Where the per-CPU flag against user access in NMI handlers is written.</summary>
internal enum UserAccessFlag
{
    /// <summary>There is no such flag.</summary>
    None,

    /// <summary>Before the guest's PKRU is loaded, and after the host's is back.</summary>
    AroundSwitch,

    /// <summary>After the guest's PKRU is loaded, and before the host's is back: the wrong way round.</summary>
    InsideSwitch,
}
