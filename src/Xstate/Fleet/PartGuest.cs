using System.Collections.Immutable;

namespace Xstate.Fleet;

/// <summary>A class of guests in a part of a pool.</summary>
/// <param name="Key">Equal in all parts for guests that no outcome can tell apart.</param>
/// <param name="First">The place of its first guest among all inputs.</param>
/// <param name="Outcomes">What becomes of it on each class of hosts.</param>
/// <param name="Upgraded">The same with the kernel of an upgrade; empty when none was asked for.</param>
internal sealed record PartGuest(string Key, long First, ImmutableArray<MoveOutcome> Outcomes, ImmutableArray<MoveOutcome> Upgraded);
