using System.Collections.Immutable;
using Xstate.Rehearsal.CpuidGates;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Cloud Hypervisor 50 to 52: it calls KVM_SET_XCRS on every host.</summary>
internal class CloudHypervisor50 : CloudHypervisor
{
    public override string Id => "cloud-hypervisor-50";

    public override string Releases => "50 to 52";

    public override ImmutableArray<string> Notes =>
        ["KVM_SET_XCRS is called always: a host without XSAVE refuses it, even without an entry."];

    internal override ImmutableArray<GateOfReleases> GatesBeforeKvm(GuestCpuPolicy policy) =>
        [new(new CloudHypervisorComparison(isOld: true))];

    public override XcrsPolicy OnXcrs => XcrsPolicy.Always;
}
