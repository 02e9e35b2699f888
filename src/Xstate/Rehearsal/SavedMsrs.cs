using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>The MSRs that a capture holds of one virtual CPU, in the order in which a VMM sets them.</summary>
internal static class SavedMsrs
{
    // KVM_GET_MSR_INDEX_LIST has them in this order (msrs_to_save_base, read at 6.18), and VMMs that save by that list keep it.
    private static readonly ImmutableArray<uint> KvmOrder =
    [
        KvmModelVcpu.MsrXfd, KvmModelVcpu.MsrXfdErr, KvmModelVcpu.MsrXss, KvmModelVcpu.MsrUserCet, KvmModelVcpu.MsrSupervisorCet,
        KvmModelVcpu.MsrPl0Ssp, KvmModelVcpu.MsrPl0Ssp + 1, KvmModelVcpu.MsrPl0Ssp + 2, KvmModelVcpu.MsrPl3Ssp, KvmModelVcpu.MsrSspTable,
    ];

    /// <summary>
    /// All of them, zeros included: in the artifact's own order where it has one, else those that the model does not know in ascending
    /// order and then those of extended state in KVM's order. A zero that only the user gave is no MSR of the snapshot.
    /// </summary>
    public static ImmutableArray<MsrEntry> Of(CapturedState state)
    {
        ArgumentNullException.ThrowIfNull(state);
        Dictionary<uint, ulong> left = new(state.Msrs);
        Add(left, KvmModelVcpu.MsrXss, state.Xss);
        Add(left, KvmModelVcpu.MsrXfd, state.Xfd);
        ImmutableArray<MsrEntry>.Builder msrs = ImmutableArray.CreateBuilder<MsrEntry>(left.Count);
        foreach (uint index in state.MsrOrder.Concat(left.Keys.Where(index => !KvmOrder.Contains(index)).Order()).Concat(KvmOrder)
            .ToArray())
        {
            if (left.Remove(index, out ulong value))
            {
                msrs.Add(new MsrEntry(index, value));
            }
        }

        return msrs.ToImmutable();
    }

    /// <summary>The state without some of its MSRs.</summary>
    public static CapturedState Without(CapturedState state, IReadOnlySet<uint> indices)
    {
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(indices);
        return state with
        {
            Msrs = state.Msrs.RemoveRange(indices),
            Xss = indices.Contains(KvmModelVcpu.MsrXss) ? null : state.Xss,
            Xfd = indices.Contains(KvmModelVcpu.MsrXfd) ? null : state.Xfd,
        };
    }

    private static void Add(Dictionary<uint, ulong> msrs, uint index, Fact<Architecture.StateComponentSet>? fact)
    {
        if (fact is { } known && (known.Provenance.Source != FactSource.Given || !known.Value.IsEmpty))
        {
            msrs[index] = known.Value.Bits;
        }
    }
}
