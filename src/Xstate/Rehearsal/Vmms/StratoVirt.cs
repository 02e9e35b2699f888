using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>StratoVirt: eleven MSRs, none of extended state, and a count that is not looked at.</summary>
internal sealed class StratoVirt : KvmRestorer
{
    public override string Id => "stratovirt";

    public override Vmm Vmm => Vmm.StratoVirt;

    public override string Releases => "2.4 and later";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source =>
        "hypervisor/src/kvm/x86_64/mod.rs, KvmCpu::arch_put_register, and cpu/src/x86_64/mod.rs, MSR_LIST, master of April 2026";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.Unnoticed;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Built;

    public override StateComponentSet AsksFor => StateComponentSet.Empty;

    public override ImmutableArray<string> Notes =>
    [
        "It keeps eleven MSRs; IA32_XSS, IA32_XFD and the MSRs of CET are not among them and are 0 after the restore.",
        "The image is struct kvm_xsave with 4096 bytes; the permission for tile data is never asked for.",
    ];

    public override XcrsPolicy OnXcrs => XcrsPolicy.SavedAndSupported;

    public override Capture Prepare(Capture capture, LinuxHost host) => FixedImage.Cut(base.Prepare(capture, host));

    public override ImmutableArray<ImmutableArray<MsrEntry>> MsrCalls(CapturedState state)
    {
        ImmutableArray<MsrEntry> kept = [.. SavedMsrs.Of(state).Where(msr => !GuestMsrs.IsModelled(msr.Index))];
        return kept.IsEmpty ? [] : [kept];
    }
}
