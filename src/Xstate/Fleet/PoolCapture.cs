namespace Xstate.Fleet;

/// <summary>A capture of a pool.</summary>
/// <param name="Name">What it is called in answers: FILE as it was given.</param>
/// <param name="Guest">Its class of guests.</param>
/// <param name="Home">The class of hosts that it was taken on; null when that is not known.</param>
internal sealed record PoolCapture(string Name, GuestClass Guest, HostClass? Home);
