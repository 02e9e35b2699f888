using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Cloud Hypervisor 29 to 49: its image has 4096 bytes, whatever the guest has.</summary>
internal sealed class CloudHypervisor29 : CloudHypervisor50
{
    public override string Id => "cloud-hypervisor-29";

    public override string Releases => "29 to 49";

    public override ImmutableArray<string> Notes =>
    [
        "The image is struct kvm_xsave: of a guest with AMX nothing behind its 4096 bytes is restored (until 4b4954ff8, pull request "
        + "7534).",
        "KVM_SET_XCRS is called always: a host without XSAVE refuses it, even without an entry.",
    ];

    public override Capture Prepare(Capture capture, LinuxHost host) => FixedImage.Cut(base.Prepare(capture, host));
}
