namespace Xstate.Captures;

/// <summary>A program that saves and restores states: a virtual machine monitor, or CRIU for processes.</summary>
/// <param name="Id">Its name in JSON and on the command line, without a release.</param>
/// <param name="Title">Its name for people.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Vmm(string Id, string Title)
{
    /// <summary>QEMU, with KVM or TCG, and what is built on it.</summary>
    public static Vmm Qemu { get; } = new("qemu", "QEMU");

    /// <summary>Firecracker.</summary>
    public static Vmm Firecracker { get; } = new("firecracker", "Firecracker");

    /// <summary>Cloud Hypervisor.</summary>
    public static Vmm CloudHypervisor { get; } = new("cloud-hypervisor", "Cloud Hypervisor");

    /// <summary>crosvm.</summary>
    public static Vmm Crosvm { get; } = new("crosvm", "crosvm");

    /// <summary>Dragonball, the VMM inside Kata Containers.</summary>
    public static Vmm Dragonball { get; } = new("dragonball", "Dragonball (Kata Containers)");

    /// <summary>StratoVirt.</summary>
    public static Vmm StratoVirt { get; } = new("stratovirt", "StratoVirt");

    /// <summary>OpenVMM.</summary>
    public static Vmm OpenVmm { get; } = new("openvmm", "OpenVMM");

    /// <summary>Hyperlight.</summary>
    public static Vmm Hyperlight { get; } = new("hyperlight", "Hyperlight");

    /// <summary>CRIU, which restores processes.</summary>
    public static Vmm Criu { get; } = new("criu", "CRIU");
}
