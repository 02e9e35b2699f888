using System.Collections.Immutable;

namespace Xstate.Scenarios.Conformance;

/// <summary>What the sequences of a comparison reached.</summary>
/// <param name="Rules">Ids of the rules by which calls were refused.</param>
/// <param name="Differences">Ids of the kernel differences that showed in an answer: turned round in the model, they change one.</param>
/// <param name="Missed">Ids of the differences that sequences on such a host can show, and none did.</param>
/// <param name="OutOfReach">The other differences, each with the reason why no sequence on this host can show it.</param>
internal sealed record ConformanceReach(ImmutableArray<string> Rules, ImmutableArray<string> Differences, ImmutableArray<string> Missed,
    ImmutableArray<LeftOut> OutOfReach)
{
    /// <summary>Nothing was looked for.</summary>
    public static ConformanceReach None { get; } = new([], [], [], []);
}
