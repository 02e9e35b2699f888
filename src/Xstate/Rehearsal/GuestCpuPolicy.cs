namespace Xstate.Rehearsal;

/// <summary>How QEMU or libvirt makes the CPU of the restored guest.</summary>
internal enum GuestCpuPolicy
{
    /// <summary>As it was saved, without what the target's KVM does not offer: nothing is refused.</summary>
    AsSaved,

    /// <summary>QEMU's <c>-cpu …,enforce</c>: a feature that KVM does not offer ends QEMU.</summary>
    Enforce,

    /// <summary>libvirt's <c>check='full'</c>: a feature that QEMU left out ends the start of the domain.</summary>
    Full,

    /// <summary>QEMU's <c>-cpu host</c>, libvirt's <c>host-passthrough</c>: the guest gets the target's CPU.</summary>
    Host,
}
