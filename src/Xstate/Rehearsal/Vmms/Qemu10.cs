using System.Collections.Immutable;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal.Vmms;

/// <summary>QEMU 9.2 to 10.x, which has no place for the MSRs of CET.</summary>
internal sealed class Qemu10 : QemuRestorer
{
    public override string Id => "qemu-10.0";

    public override string Releases => "9.2 to 10.2";

    public override string Source => "as qemu; run: 10.0.2, 10.0.13";

    public override ImmutableArray<string> Notes =>
        ["It has no place for the MSRs of CET, neither in its stream nor for KVM: they are left out."];

    protected override bool Carries(uint msr) => !GuestMsrs.IsCet(msr);
}
