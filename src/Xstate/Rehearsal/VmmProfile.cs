using System.Collections.Immutable;

namespace Xstate.Rehearsal;

/// <summary>One call of a restore.</summary>
public enum RestoreCall
{
    /// <summary>KVM_SET_CPUID2.</summary>
    SetCpuid2,

    /// <summary>KVM_SET_XSAVE.</summary>
    SetXsave,

    /// <summary>KVM_SET_XCRS.</summary>
    SetXcrs,

    /// <summary>KVM_SET_FPU, for monitors that keep x87 and XMM registers a second time.</summary>
    SetFpu,

    /// <summary>KVM_SET_MSRS with IA32_XSS and IA32_XFD, as far as they are not zero.</summary>
    SetMsrs,
}

/// <summary>A virtual machine monitor, as far as the order of its restore calls is concerned.</summary>
/// <param name="Id">Name on the command line.</param>
/// <param name="Title">Name for people.</param>
/// <param name="Order">The calls in its order, after permission and vCPU creation.</param>
/// <param name="Source">Where the order was read.</param>
public sealed record VmmProfile(string Id, string Title, ImmutableArray<RestoreCall> Order, string Source)
{
    /// <summary>Whether a failed call ends the restore of the virtual CPU without a word, and the guest resumes with what was set until then (QEMU before 8.2).</summary>
    public bool IgnoresFailures { get; init; }

    /// <summary>Whether it restores threads of a process and not virtual CPUs.</summary>
    public bool RestoresProcesses { get; init; }

    /// <summary>Whether MSRs that the kernel refuses are left out with a word in the log, and the restore goes on.</summary>
    public bool SkipsRefusedMsrs { get; init; }

    /// <summary>
    /// Whether a virtual CPU's image gets only the components whose feature KVM_GET_SUPPORTED_CPUID announces (QEMU 7.2); bits of the others stay set over zeros. It matters where a KVM hides features that its guests
    /// have, as kvm_pvm does.
    /// </summary>
    public bool SendsAnnouncedOnly { get; init; }

    /// <summary>Whether it runs the guest itself, without KVM: no call of the kernel is made.</summary>
    public bool Emulates { get; init; }

    /// <summary>All known monitors.</summary>
    public static ImmutableArray<VmmProfile> All { get; } =
    [
        new("qemu", "QEMU 8.2 and later", [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs], "target/i386/kvm/kvm.c, kvm_arch_put_registers"),
        new("qemu-10.0", "QEMU 10.0", [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs], "as above; measured with 10.0.13 and 10.0.2"),
        new("qemu-7.2", "QEMU 6.0 to 8.1", [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs], "as above, before 7191f24c7fcf") { IgnoresFailures = true, SendsAnnouncedOnly = true },
        new("qemu-tcg", "QEMU with TCG", [], "target/i386/machine.c, cpu_post_load; measured with 7.2.22") { Emulates = true },
        new("firecracker", "Firecracker", [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs], "KvmVcpu::restore_state"),
        new("cloud-hypervisor", "Cloud Hypervisor", [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetFpu, RestoreCall.SetMsrs], "KvmVcpu::set_state, 29 to 53") { SkipsRefusedMsrs = true },
        new("crosvm", "crosvm", [RestoreCall.SetCpuid2, RestoreCall.SetXcrs, RestoreCall.SetMsrs, RestoreCall.SetXsave], "VcpuX86_64::restore"),
    ];

    /// <summary>QEMU's order, which is also the safe one.</summary>
    public static VmmProfile Default => All[0];

    /// <summary>The monitor whose own snapshot format a capture came from, or null: nothing else restores it.</summary>
    public static VmmProfile? OfFormat(string format) => Find(format);

    /// <summary>The monitor with a name, or null.</summary>
    public static VmmProfile? Find(string id) => All.FirstOrDefault(vmm => string.Equals(vmm.Id, id, StringComparison.OrdinalIgnoreCase));
}
