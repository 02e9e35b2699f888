using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>What the CPUID of a guest is to have, out of what a base offers.</summary>
internal sealed record CpuidWish
{
    /// <summary>
    /// Components that the guest may enable; null for all that the base has. Those that belong together and those that are built upon are
    /// wanted with them; x87 and SSE always are.
    /// </summary>
    public StateComponentSet? Components { get; init; }

    /// <summary>Features that have to be there in the end.</summary>
    public ImmutableArray<CpuidFeature> With { get; init; } = [];

    /// <summary>Features that have to be gone.</summary>
    public ImmutableArray<CpuidFeature> Without { get; init; } = [];

    /// <summary>XCR0 for which the sizes are told: x87 alone, as a virtual CPU starts, or what a running guest has enabled.</summary>
    public StateComponentSet Xcr0 { get; init; } = StateComponentSet.Of(StateComponent.X87);
}
