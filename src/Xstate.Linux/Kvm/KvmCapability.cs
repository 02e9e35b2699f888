namespace Xstate.Linux.Kvm;

/// <summary>Capabilities that KVM_CHECK_EXTENSION answers about.</summary>
public enum KvmCapability
{
    /// <summary>KVM_CAP_MP_STATE.</summary>
    MpState = 14,

    /// <summary>KVM_CAP_VCPU_EVENTS.</summary>
    VcpuEvents = 41,

    /// <summary>KVM_CAP_XSAVE: KVM_GET_XSAVE and KVM_SET_XSAVE exist.</summary>
    Xsave = 55,

    /// <summary>KVM_CAP_XCRS: KVM_GET_XCRS and KVM_SET_XCRS exist.</summary>
    Xcrs = 56,

    /// <summary>KVM_CAP_IMMEDIATE_EXIT.</summary>
    ImmediateExit = 136,

    /// <summary>KVM_CAP_XSAVE2 (Linux 5.17): how many bytes KVM_GET_XSAVE2 may write.</summary>
    Xsave2 = 208,

    /// <summary>KVM_CAP_SYS_ATTRIBUTES (Linux 5.17): /dev/kvm answers KVM_GET_DEVICE_ATTR.</summary>
    SystemAttributes = 209,
}
