namespace Xstate.Captures;

/// <summary>How the file of a virtual machine says that its guest's CPU is made, as a libvirt save does in its XML.</summary>
/// <param name="Mode">libvirt's mode: <c>host-passthrough</c>, <c>maximum</c>, <c>host-model</c> or <c>custom</c>; null when it names
/// none.</param>
/// <param name="Check">What libvirt checks before it runs the guest: <c>none</c>, <c>partial</c> or <c>full</c>; null when it does not
/// say.</param>
internal sealed record SavedCpu(string? Mode, string? Check);
