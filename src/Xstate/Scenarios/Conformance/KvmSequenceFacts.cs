using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Scenarios.Conformance;

/// <summary>What sequences for one host are built around, so that many of their calls succeed there.</summary>
internal sealed record KvmSequenceFacts
{
    /// <summary>KVM_GET_SUPPORTED_CPUID.</summary>
    public required ImmutableArray<CpuidEntry> Supported { get; init; }

    /// <summary>Components that KVM can give to a guest there.</summary>
    public required StateComponentSet Components { get; init; }

    /// <summary>MXCSR bits of the processor.</summary>
    public required uint MxcsrMask { get; init; }

    /// <summary>Bytes that KVM_SET_XSAVE reads.</summary>
    public int ImageLength { get; init; } = KvmXsaveLength;

    /// <summary>The only leaf whose KVM_GET_CPUID2 answer is compared; null for all.</summary>
    public uint? ComparedLeaf { get; init; }

    /// <summary>Whether sequences also run the virtual CPU with immediate_exit.</summary>
    public bool MovesThroughProcessor { get; init; }

    private const int KvmXsaveLength = 4096;
}
