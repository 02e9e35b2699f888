namespace Xstate.Rehearsal;

/// <summary>Where the CPUID comes from that a VMM gives the restored guest.</summary>
internal enum GuestCpuidSource
{
    /// <summary>The snapshot holds it, and it is set as it is.</summary>
    Snapshot,

    /// <summary>The VMM builds it from what the target's KVM supports and from its own configuration; the snapshot's is not used.</summary>
    Built,
}
