namespace Xstate.Linux.Kvm;

/// <summary>What a virtual CPU is doing, as KVM_GET_MP_STATE answers.</summary>
internal enum KvmMpState
{
    /// <summary>KVM_MP_STATE_RUNNABLE.</summary>
    Runnable = 0,

    /// <summary>KVM_MP_STATE_UNINITIALIZED: an application processor before INIT.</summary>
    Uninitialized = 1,

    /// <summary>KVM_MP_STATE_INIT_RECEIVED: waiting for SIPI.</summary>
    InitReceived = 2,

    /// <summary>KVM_MP_STATE_HALTED.</summary>
    Halted = 3,

    /// <summary>KVM_MP_STATE_SIPI_RECEIVED.</summary>
    SipiReceived = 4,
}
