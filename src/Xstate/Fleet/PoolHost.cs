using Xstate.Hypervisors.Linux;

namespace Xstate.Fleet;

/// <summary>A host of a pool.</summary>
/// <param name="Argument">What it is called in answers: HOST as it was given.</param>
/// <param name="Host">Processor and kernel.</param>
internal sealed record PoolHost(string Argument, LinuxHost Host);
