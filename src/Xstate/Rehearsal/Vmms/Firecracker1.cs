using System.Collections.Immutable;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Firecracker 1.0 and 1.1, which did not look at the count that KVM_SET_MSRS returns.</summary>
internal sealed class Firecracker1 : Firecracker
{
    public override string Id => "firecracker-1.1";

    public override string Releases => "1.0 and 1.1";

    public override ShortCountPolicy OnShortCount => ShortCountPolicy.Unnoticed;

    public override ImmutableArray<string> Notes =>
        ["The refused MSR and all that follow it in the list stay as they are, and nobody is told."];
}
