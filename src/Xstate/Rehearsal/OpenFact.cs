using System.Collections.Immutable;

namespace Xstate.Rehearsal;

/// <summary>A fact that a rehearsal needs and nobody knows, with every value that it can have.</summary>
/// <param name="Kind">The kind of fact, as JSON names it: one of the constants here.</param>
/// <param name="Id">Which one of its kind, such as a kernel difference; null where there is only one.</param>
/// <param name="Why">Why it is not known.</param>
/// <param name="FindOut">The command or option that finds it out.</param>
/// <param name="Values">Every value that it can have, at least two.</param>
internal sealed record OpenFact(string Kind, string? Id, string Why, string FindOut, ImmutableArray<string> Values)
{
    public const string Layout = "layout";
    public const string KernelDifference = "kernel-difference";
    public const string GuestCpuid = "guest-cpuid";
    public const string Xcr0 = "xcr0";
    public const string Xss = "xss";
    public const string Xfd = "xfd";
    public const string Microcode = "microcode";
    public const string Vmm = "vmm";
    public const string KvmCpuid = "kvm-cpuid";
    public const string InUse = "in-use";

    /// <summary>What tells facts apart.</summary>
    public (string Kind, string? Id) Key => (Kind, Id);
}
