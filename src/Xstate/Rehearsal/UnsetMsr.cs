using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>An MSR that a restore did not set.</summary>
/// <param name="Msr">Its number, and the value that it was to have.</param>
/// <param name="Why">Why the kernel refused it; null when it was not reached, or when a real kernel was asked.</param>
internal readonly record struct UnsetMsr(MsrEntry Msr, Refusal? Why);
