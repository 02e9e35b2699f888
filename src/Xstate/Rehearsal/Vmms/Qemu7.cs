using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>QEMU 6.0 to 8.1: after a refused call the virtual CPU gets no further one, and the guest runs.</summary>
internal sealed class Qemu7 : QemuRestorer
{
    public override string Id => "qemu-7.2";

    public override string Releases => "6.0 to 8.1";

    public override string Source => "as qemu, before 7191f24c7fcf; run: 7.2.22";

    public override RefusedCallPolicy OnRefusedCall => RefusedCallPolicy.Resume;

    public override ImmutableArray<string> Notes =>
    [
        "After a refused call it sets nothing more of the virtual CPU, prints no error and resumes the guest.",
        "Of registers whose feature KVM does not announce it sends zeros, though their bit of XSTATE_BV stays set.",
        "It has no place for the MSRs of CET: they are left out.",
    ];

    protected override bool Carries(uint msr) => !GuestMsrs.IsCet(msr);

    public override StateComponentSet LeftOut(LinuxHost host) => StoredImage.Hidden(host);
}
