using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Firecracker: everything comes from the snapshot, and anything that KVM does not take ends the restore.</summary>
internal class Firecracker : KvmRestorer
{
    public override string Id => "firecracker";

    public override Vmm Vmm => Vmm.Firecracker;

    public override string Releases => "1.2 and later";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source => "src/vmm/src/arch/x86_64/vcpu.rs, KvmVcpu::restore_state, 1.0 to 1.16.1 and main of August 2026";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.End;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Snapshot;

    public override ImmutableArray<string> Notes =>
    [
        "It saves the MSRs of its own list: IA32_XSS is on it since 490577590 (June 2026, after 1.16.1), the MSRs of CET are not.",
        "A vendor unlike the snapshot's is a warning in its log and nothing else.",
        "It asks for the permission for tile data since 1.12; images before that have 4096 bytes.",
    ];

    public override XcrsPolicy OnXcrs => XcrsPolicy.Always;
}
