using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Dragonball, the VMM inside Kata Containers: MSRs come before the area.</summary>
internal sealed class Dragonball : KvmRestorer
{
    public override string Id => "dragonball";

    public override Vmm Vmm => Vmm.Dragonball;

    public override string Releases => "since July 2026";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source => "src/dragonball/src/vcpu/x86_64.rs, Vcpu::restore_state, since b96a0bc5c5";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetMsrs, RestoreCall.SetXsave, RestoreCall.SetXcrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.End;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Snapshot;

    public override StateComponentSet AsksFor => StateComponentSet.Empty;

    public override ImmutableArray<string> Notes =>
        ["The image is struct kvm_xsave with 4096 bytes, and the permission for tile data is never asked for: a snapshot whose CPUID has "
            + "AMX is refused by KVM_SET_CPUID2."];

    public override XcrsPolicy OnXcrs => XcrsPolicy.Always;

    public override Capture Prepare(Capture capture, LinuxHost host) => FixedImage.Cut(base.Prepare(capture, host));
}
