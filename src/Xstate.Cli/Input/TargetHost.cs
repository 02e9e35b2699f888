using Xstate.Hypervisors.Linux;

namespace Xstate.Cli.Input;

/// <summary>A HOST of the command line.</summary>
/// <param name="Argument">As it was given.</param>
/// <param name="Host">The modelled host.</param>
/// <param name="Name">What lines of a table call it: its own name where no other HOST has the same, else the argument.</param>
internal sealed record TargetHost(string Argument, LinuxHost Host, string Name);
