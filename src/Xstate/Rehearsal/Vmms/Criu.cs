using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Rehearsal.Vmms;

/// <summary>CRIU, which restores threads of a process by signal frames of its own making.</summary>
internal sealed class Criu : Restorer
{
    public override string Id => "criu";

    public override Vmm Vmm => Vmm.Criu;

    public override string Releases => "";

    public override RestorerEvidence Evidence => RestorerEvidence.Run;

    public override string Source => "criu/arch/x86/crtools.c, restore_fpu, and compel/arch/x86/src/lib/cpu.c, 4.1.1; run: 4.1.1";

    public override CaptureKind Restores => CaptureKind.Process;

    public override ImmutableArray<string> Notes => ["It asks no KVM: each thread returns from a signal frame by rt_sigreturn."];
}
