namespace Xstate.Fleet;

/// <summary>One cell of the matrix of who can go where.</summary>
/// <param name="From">The class of hosts that guests leave.</param>
/// <param name="To">The class of hosts that they go to.</param>
/// <param name="Outcome">What becomes of them: the worst of all that are there, or of the fullest guest where none is known.</param>
/// <param name="MovesFullest">Whether it is the fullest guest that is moved.</param>
internal sealed record PoolMove(HostClass From, HostClass To, MoveOutcome Outcome, bool MovesFullest);
