namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_vcpu_events: pending exceptions, interrupts, NMIs. Carried as bytes.</summary>
internal sealed class KvmVcpuEvents : KvmStructure
{
    private const uint ValidSmm = 8;
    private const int LatchedInitOffset = 27;

    /// <summary>All zero.</summary>
    public KvmVcpuEvents()
        : base(64)
    {
    }

    /// <summary>Which optional fields KVM_SET_VCPU_EVENTS takes.</summary>
    public uint Flags { get => ReadUInt32(20); set => WriteUInt32(20, value); }

    /// <summary>KVM_VCPUEVENT_VALID_SMM: the fields of system management mode count, and <see cref="IsInitPending"/> with them.</summary>
    public bool HasSystemManagementState { get => (Flags & ValidSmm) != 0; set => Flags = value ? Flags | ValidSmm : Flags & ~ValidSmm; }

    /// <summary>
    /// smi.latched_init: INIT waits for the virtual CPU. Set, it is delivered at once outside system management mode (Linux 4.2).
    /// </summary>
    public bool IsInitPending { get => Bytes[LatchedInitOffset] != 0; set => Bytes[LatchedInitOffset] = value ? (byte)1 : (byte)0; }
}
