namespace Xstate.Linux.Kvm;

/// <summary>struct kvm_vcpu_events: pending exceptions, interrupts, NMIs. Carried as bytes.</summary>
public sealed class KvmVcpuEvents : KvmStructure
{
    /// <summary>All zero.</summary>
    public KvmVcpuEvents()
        : base(64)
    {
    }

    /// <summary>Which optional fields KVM_SET_VCPU_EVENTS takes.</summary>
    public uint Flags { get => ReadUInt32(20); set => WriteUInt32(20, value); }
}
