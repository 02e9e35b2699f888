using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Rehearsal.CpuidGates;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Cloud Hypervisor: it sets x87 and XMM a second time, and leaves out MSRs that KVM refuses.</summary>
internal class CloudHypervisor : KvmRestorer
{
    public override string Id => "cloud-hypervisor";

    public override Vmm Vmm => Vmm.CloudHypervisor;

    public override string Releases => "53 and later";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source => "hypervisor/src/kvm/mod.rs, KvmVcpu::set_state, 29 to 53 and main of August 2026";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetFpu, RestoreCall.SetMsrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.Skip;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Snapshot;

    public override ImmutableArray<string> Notes =>
    [
        "Before any call it compares the snapshot's CPUID with its own on the target, leaf by leaf, without leaf 0xD and without the "
        + "vendor; leaves 0x7.1 ECX and EDX, 0x7.2, 0x1d and 0x1e since July and August 2026.",
        "KVM_SET_XCRS is left out where KVM has no KVM_CAP_XCRS (4b671954a, pull request 8341).",
        "Main of July 2026 (2eb64a2b4) refuses the restore when a feature MSR of a CPU profile is refused.",
    ];

    internal override ImmutableArray<GateOfReleases> GatesBeforeKvm(GuestCpuPolicy policy) =>
    [
        new(new CloudHypervisorComparison()),
        new(new CloudHypervisorComparison(isLater: true), "built since August 2026", "up to 53"),
    ];

    public override XcrsPolicy OnXcrs => XcrsPolicy.SavedAndSupported;
}
