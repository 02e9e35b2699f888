using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Artifacts.Vcpus;

/// <summary>
/// Makes a state of what a monitor keeps of one virtual CPU beside its area: CPUID, XCR0 and MSRs. A monitor's snapshot holds KVM's answers, so its area has the layout of the processor that it ran on.
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
    public static CapturedState ToState(int id, ReadOnlyMemory<byte> area, CpuidTable cpuid, StateComponentSet? xcr0, IReadOnlyDictionary<uint, ulong> msrs)
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
        return state with { Layout = LayoutOf(state, cpuid) };
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
        msrs.TryGetValue(index, out ulong value) ? new Fact<StateComponentSet>(new StateComponentSet(value), FactSource.Artifact, detail) : null;

    // KVM passes the host's sub-leaves of 0xD on. Two things make the area's layout another one: a CPUID template that hides a component takes its sub-leaf along, though the area may still hold
    // it; and a relocated area keeps the guest's CPUID, but carries the MXCSR_MASK of the processor that it now fits.
    private static Fact<XsaveLayout>? LayoutOf(CapturedState state, CpuidTable cpuid)
    {
        XsaveArea area = new(state.Area.Span);
        XsaveLayout told = XsaveLayout.FromCpuid(cpuid);
        StateComponentSet needed = (area.XstateBv & StateComponents.UserComponents).Except(StateComponentSet.Legacy);
        if (IsForeign(told, area.MxcsrMask))
        {
            ImmutableArray<LayoutFamily> fitting = LayoutInference.Candidates(needed | told.UserComponents, null, area.MxcsrMask);
            if (fitting is [var other] && other.MxcsrMask == area.MxcsrMask)
            {
                return new Fact<XsaveLayout>(other.Layout, FactSource.Inferred, $"{other.Family}, by MXCSR_MASK 0x{area.MxcsrMask:x}; leaf 0xd of the snapshot's CPUID has other offsets");
            }
        }

        bool tells = !cpuid.UserComponents.IsEmpty;
        if (tells && told.Components.ContainsAll(needed))
        {
            return new Fact<XsaveLayout>(told, FactSource.Cpuid, "leaf 0xd of the snapshot's CPUID");
        }

        StateComponentSet all = needed | told.UserComponents;
        LayoutFamily[] candidates = [.. LayoutInference.Candidates(all, null, area.MxcsrMask).Where(candidate => Fits(told, candidate.Layout))];
        return candidates switch
        {
            [var only] => new Fact<XsaveLayout>(only.Layout, FactSource.Inferred, $"the snapshot's CPUID, and for what it hides: only {only.Family} places {all} like this"),
            _ => tells ? new Fact<XsaveLayout>(told, FactSource.Cpuid, "leaf 0xd of the snapshot's CPUID, which hides a component that the area has") : null,
        };
    }

    /// <summary>Whether the offsets that a CPUID tells are those of processors with another MXCSR_MASK than the area carries, and of none with the same.</summary>
    public static bool IsForeign(XsaveLayout told, uint mxcsrMask) =>
        mxcsrMask != 0
        && LayoutFamily.All.Any(family => family.MxcsrMask != mxcsrMask && Fits(told, family.Layout))
        && LayoutFamily.All.Any(family => family.MxcsrMask == mxcsrMask)
        && !LayoutFamily.All.Any(family => family.MxcsrMask == mxcsrMask && Fits(told, family.Layout));

    private static bool Fits(XsaveLayout told, XsaveLayout family) =>
        told.Slots.All(slot => slot.IsSupervisor || (family.TryGetSlot(slot.Component, out XsaveSlot same) && same.Offset == slot.Offset && same.Size == slot.Size));
}
