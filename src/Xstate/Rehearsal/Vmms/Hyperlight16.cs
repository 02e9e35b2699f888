using System.Collections.Immutable;

namespace Xstate.Rehearsal.Vmms;

/// <summary>Hyperlight to 0.16, whose restore leaves XCR0 as the last guest had it.</summary>
internal sealed class Hyperlight16 : Hyperlight
{
    public override string Id => "hyperlight-0.16";

    public override string Releases => "to 0.16";

    internal override ImmutableArray<RestoreCall> Order => [RestoreCall.SetCpuid2, RestoreCall.SetXsave];

    public override ImmutableArray<string> Notes =>
    [
        "The area of the snapshot is not restored: the image has x87 and SSE in their initial state and XSTATE_BV 0x3, so that PKRU "
        + "stays what it was.",
        "XCR0 is not set: it stays what the last guest made it.",
    ];
}
