using System.Collections.Immutable;

namespace Xstate.Fleet;

/// <summary>Guests of one class on hosts of one class, in a part of a pool.</summary>
/// <param name="Guest">The place of their class among the part's guests.</param>
/// <param name="Home">The class of hosts; -1 when it is not known.</param>
/// <param name="Count">How many.</param>
/// <param name="Names">The first of them, with their places among all inputs.</param>
internal sealed record PartGroup(int Guest, int Home, long Count, ImmutableArray<(long Place, string Name)> Names);
