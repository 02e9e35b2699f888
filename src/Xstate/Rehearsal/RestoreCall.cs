namespace Xstate.Rehearsal;

/// <summary>One call of a restore that concerns extended state.</summary>
internal enum RestoreCall
{
    /// <summary>KVM_SET_CPUID2.</summary>
    SetCpuid2,

    /// <summary>KVM_SET_XSAVE.</summary>
    SetXsave,

    /// <summary>KVM_SET_XCRS.</summary>
    SetXcrs,

    /// <summary>KVM_SET_FPU, for VMMs that keep x87 and XMM registers a second time.</summary>
    SetFpu,

    /// <summary>KVM_SET_MSRS with the MSRs that the capture holds, zeros included.</summary>
    SetMsrs,
}
