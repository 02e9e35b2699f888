using System.Collections.Immutable;

namespace Xstate.Rehearsal.Vmms;

/// <summary>QEMU from 8.2 on: a refused call ends the load.</summary>
internal sealed class Qemu : QemuRestorer
{
    public override string Id => "qemu";

    public override string Releases => "8.2 and later";

    public override string Source =>
        "target/i386/kvm/kvm.c, kvm_arch_put_registers, kvm_put_msrs and kvm_buf_set_msrs; run: 10.0.2, 10.0.13, 11.1";

    protected override bool WritesLeavesInBrackets => true;

    public override ImmutableArray<string> Notes =>
    [
        "With enforce it ends before any call when KVM does not offer what the CPU model asks for, and libvirt does with check='full' "
        + "(--guest-cpu).",
        "Up to 9.1 the message does not name the step that failed.",
        "The MSRs of CET have a place from 11.0 on; for releases before it take qemu-10.0.",
        "A short count of MSRs fails an assertion in every release: the process aborts and names the MSR.",
    ];
}
