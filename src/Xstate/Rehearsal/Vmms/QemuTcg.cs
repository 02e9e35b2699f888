using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Rehearsal.Vmms;

/// <summary>QEMU that runs the guest itself: no call of a kernel is made.</summary>
internal sealed class QemuTcg : Restorer
{
    public override string Id => "qemu-tcg";

    public override Vmm Vmm => Vmm.Qemu;

    public override string Releases => "with TCG";

    internal override RestorerEvidence Evidence => RestorerEvidence.Run;

    public override string Source => "target/i386/machine.c, cpu_post_load; run: 7.2.22";

    public override ImmutableArray<string> Notes =>
        ["Every register arrives as it is stored, and nothing checks whether the emulated processor has it."];
}
