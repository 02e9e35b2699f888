using System.Collections.Immutable;
using Xstate.Captures;

namespace Xstate.Fleet;

/// <summary>Guests that no outcome can tell apart.</summary>
/// <param name="Id">Its place among the classes.</param>
/// <param name="Captures">
/// Their state; where nobody knows which it is, all that it can be. None in a pool that was put together of parts, which have outcomes
/// only.
/// </param>
internal sealed record GuestClass(int Id, ImmutableArray<Capture> Captures)
{
    /// <summary>Whether the state is among the captures for sure.</summary>
    public bool IsComplete { get; init; } = true;
}
