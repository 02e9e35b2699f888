namespace Xstate.Rehearsal;

/// <summary>When a VMM calls KVM_SET_XCRS.</summary>
internal enum XcrsPolicy
{
    /// <summary>When the snapshot holds XCR0.</summary>
    Saved,

    /// <summary>When the snapshot holds XCR0 and KVM of the target has KVM_CAP_XCRS.</summary>
    SavedAndSupported,

    /// <summary>Always, with the count that the snapshot holds, which may be 0: a host without XSAVE refuses that.</summary>
    Always,
}
