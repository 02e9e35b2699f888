using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Fleet;

/// <summary>What is known of one VM without its registers: enough for who can go where, for millions of them.</summary>
/// <param name="Vm">Its name.</param>
internal sealed record VmRecord(string Vm)
{
    /// <summary>The host that it runs on: HOST as it was given, or the name in its record; null when that is not known.</summary>
    public string? Host { get; init; }

    /// <summary>The name of its CPUID; null for the one that its host's KVM supports.</summary>
    public string? GuestCpuid { get; init; }

    /// <summary>XCR0; null for all that its CPUID offers.</summary>
    public StateComponentSet? Xcr0 { get; init; }

    /// <summary>Components in use; null for all of XCR0.</summary>
    public StateComponentSet? InUse { get; init; }

    /// <summary>MSRs that belong to extended state.</summary>
    public ImmutableSortedDictionary<uint, ulong> Msrs { get; init; } = ImmutableSortedDictionary<uint, ulong>.Empty;
}
