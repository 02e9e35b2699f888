using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>
/// Hyperlight: the restore of a sandbox puts extended state back to what a new virtual CPU has, on a virtual CPU that was used.
/// </summary>
internal class Hyperlight : KvmRestorer
{
    public override string Id => "hyperlight";

    public override Vmm Vmm => Vmm.Hyperlight;

    public override string Releases => "after 0.16";

    internal override RestorerEvidence Evidence => RestorerEvidence.Read;

    public override string Source =>
        "src/hyperlight_host/src/hypervisor, reset_vcpu, reset_xsave and set_msrs for KVM, main of August 2026";

    internal override ImmutableArray<RestoreCall> Order => [RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs];

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.End;

    public override GuestCpuidSource CpuidSource => GuestCpuidSource.Built;

    public override ImagePlacement Placement => ImagePlacement.HostOffsets;

    public override StateComponentSet AsksFor => StateComponentSet.Empty;

    public override ImmutableArray<string> Notes =>
    [
        "The area of the snapshot is not restored: the image has x87 and SSE in their initial state and XSTATE_BV 0x3, so that PKRU "
        + "stays what it was.",
        "XCR0 is set to 1 since 90114206 (pull request 1718, August 2026).",
        "The guest's CPUID shows no CET; the MSRs that it sets are not of extended state.",
    ];

    public override Capture Prepare(Capture capture, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(capture);
        return capture with { States = [.. capture.States.Select(Initial)] };
    }

    private static CapturedState Initial(CapturedState state)
    {
        byte[] image = new byte[KvmModelMachine.XsaveLength];
        new XsaveAreaWriter(image).WriteInitialControls().WriteXstateBv(StateComponentSet.Legacy);
        return state with
        {
            Area = image,
            Lost = [],
            Xcr0 = new Fact<StateComponentSet>(StateComponentSet.Of(StateComponent.X87),
            FactSource.Inferred, "XCR0 of a new virtual CPU")
        };
    }
}
