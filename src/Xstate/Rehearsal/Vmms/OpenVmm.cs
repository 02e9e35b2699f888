using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>OpenVMM on KVM: it keeps the area without its layout and builds the image for the target.</summary>
internal sealed class OpenVmm : KvmRestorer
{
    public override string Id => "openvmm";

    public override Vmm Vmm => Vmm.OpenVmm;

    public override string Releases => "on KVM, August 2026";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source =>
        "vmm_core/virt/src/x86/vp.rs, state_trait, and vmm_core/virt_kvm/src/arch/x86_64/vp_state.rs, main of August 2026";

    internal override ImmutableArray<RestoreCall> Order =>
        [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetMsrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.End;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Built;

    public override ImagePlacement Placement => ImagePlacement.HostOffsets;

    public override StateComponentSet AsksFor => StateComponentSet.Empty;

    public override ImmutableArray<string> Notes =>
    [
        "The saved area has no offsets of a processor; the image is built at the target's, 4096 bytes long.",
        "IA32_XSS and IA32_S_CET are set by calls of their own; the other MSRs of CET and IA32_XFD are not kept.",
    ];

    public override Capture Prepare(Capture capture, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(host);
        return FixedImage.Cut(capture with { States = [.. capture.States.Select(state => StoredImage.AtOffsetsOf(state, host))] });
    }

    public override ImmutableArray<ImmutableArray<MsrEntry>> MsrCalls(CapturedState state) =>
    [
        .. SavedMsrs.Of(state)
            .Where(msr => !GuestMsrs.IsModelled(msr.Index) || msr.Index is KvmModelVcpu.MsrXss or KvmModelVcpu.MsrSupervisorCet)
            .Select(msr => ImmutableArray.Create(msr)),
    ];
}
