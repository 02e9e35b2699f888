using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Vcpus;

/// <summary>
/// Makes a state of what a monitor keeps of one virtual CPU beside its area: CPUID, XCR0 and MSRs. A monitor's snapshot holds KVM's
/// answers, so its area has the layout of the processor that it ran on.
/// </summary>
internal static class VcpuFacts
{
    private const uint MsrXfd = 0x1C4;
    private const uint MsrXss = 0xDA0;

    /// <summary>The state.</summary>
    /// <param name="id">Virtual CPU index.</param>
    /// <param name="area">The area, as KVM_GET_XSAVE or KVM_GET_XSAVE2 returned it.</param>
    /// <param name="cpuid">The guest's CPUID.</param>
    /// <param name="xcr0">XCR0, if the snapshot has it.</param>
    /// <param name="msrs">All saved MSRs.</param>
    public static CapturedState ToState(int id, ReadOnlyMemory<byte> area, CpuidTable cpuid, StateComponentSet? xcr0,
        IReadOnlyDictionary<uint, ulong> msrs)
    {
        CapturedState state = new()
        {
            Id = id,
            Area = area,
            GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Artifact, "the snapshot's CPUID of this virtual CPU"),
            Xcr0 = xcr0 is { } value ? new Fact<StateComponentSet>(value, FactSource.Artifact, "struct kvm_xcrs") : null,
            Xss = SetOf(msrs, MsrXss, "MSR 0xda0"),
            Xfd = SetOf(msrs, MsrXfd, "MSR 0x1c4"),
            Msrs = msrs.Where(msr => msr.Key is not (MsrXss or MsrXfd)).ToImmutableSortedDictionary(),
        };
        return state with { Layout = WriterLayout.OfGuestCpuid(state.ReadArea(), cpuid, "the snapshot's CPUID") };
    }

    /// <summary>The value that a changed state has for an MSR, wherever it keeps it; null when it has none.</summary>
    public static ulong? MsrOf(CapturedState state, uint index) => index switch
    {
        MsrXss => state.Xss?.Value.Bits,
        MsrXfd => state.Xfd?.Value.Bits,
        _ => state.Msrs.TryGetValue(index, out ulong value) ? value : null,
    };

    /// <summary>Where an MSR's value is from.</summary>
    public static FactSource SourceOf(CapturedState state, uint index) => index switch
    {
        MsrXss => state.Xss?.Provenance.Source ?? FactSource.Artifact,
        MsrXfd => state.Xfd?.Provenance.Source ?? FactSource.Artifact,
        _ => FactSource.Artifact,
    };

    /// <summary>Every MSR that a state has a value for.</summary>
    public static IEnumerable<uint> MsrsOf(CapturedState state)
    {
        foreach (uint index in state.Msrs.Keys)
        {
            yield return index;
        }

        if (state.Xss is not null)
        {
            yield return MsrXss;
        }

        if (state.Xfd is not null)
        {
            yield return MsrXfd;
        }
    }

    private static Fact<StateComponentSet>? SetOf(IReadOnlyDictionary<uint, ulong> msrs, uint index, string detail) =>
        msrs.TryGetValue(index, out ulong value) ? new Fact<StateComponentSet>(new StateComponentSet(value), FactSource.Artifact,
            detail) : null;
}
