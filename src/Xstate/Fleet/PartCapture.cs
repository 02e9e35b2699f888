namespace Xstate.Fleet;

/// <summary>A capture in a part of a pool.</summary>
/// <param name="Place">Its place among all inputs.</param>
/// <param name="Name">FILE as it was given.</param>
/// <param name="Guest">The place of its class among the part's guests.</param>
/// <param name="Home">The class of hosts; -1 when it is not known.</param>
internal sealed record PartCapture(long Place, string Name, int Guest, int Home);
