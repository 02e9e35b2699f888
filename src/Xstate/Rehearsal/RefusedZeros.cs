using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Transforms;

namespace Xstate.Rehearsal;

/// <summary>
/// Repairs a capture whose restore ends at an MSR that is zero: without the MSR the virtual CPU has the zero all the same.
/// </summary>
internal static class RefusedZeros
{
    /// <summary>The capture without MSRs that are zero and that the target's kernel refuses, if the VMM does not get over them.</summary>
    public static (Capture Repaired, ImmutableArray<RepairStep> Steps) Drop(
        Capture capture, ImmutableArray<RepairStep> steps, KvmRestorer restorer, LinuxHost host, CpuidTable guestCpuid)
    {
        if (restorer.OnShortCount == ShortCountPolicy.Skip || !restorer.Order.Contains(RestoreCall.SetMsrs))
        {
            return (capture, steps);
        }

        ImmutableArray<RepairStep>.Builder all = steps.ToBuilder();
        CapturedState[] states = [.. capture.States.Select(state => Drop(state, Sent(state), host, RestorePlan.CpuidOf(state, guestCpuid),
            all))];
        return (capture with { States = [.. states] }, all.ToImmutable());

        IEnumerable<MsrEntry> Sent(CapturedState state) =>
            restorer.MsrCalls(restorer.Prepare(capture with { States = [state] }, host).States[0]).SelectMany(list => list);
    }

    private static CapturedState Drop(CapturedState state, IEnumerable<MsrEntry> sent, LinuxHost host, CpuidTable cpuid,
        ImmutableArray<RepairStep>.Builder steps)
    {
        using KvmModelMachine machine = new(host);
        machine.RequestGuestPermission(StateComponent.TileData);
        if (!machine.CreateVcpu(0, out IKvmVcpu? vcpu).IsSuccess || vcpu is null || !vcpu.SetCpuid2(cpuid.Entries.AsSpan()).IsSuccess)
        {
            return state;
        }

        HashSet<uint> dropped = [];
        foreach (MsrEntry msr in sent.Where(msr => msr.Value == 0 && GuestMsrs.IsModelled(msr.Index)))
        {
            vcpu.SetMsr(msr.Index, 0, out int count);
            if (count == 0 && dropped.Add(msr.Index))
            {
                string name = RefusedCalls.RegisterOf(msr);
                steps.Add(new RepairStep(RepairKind.Msr, state.Id,
                    $"left out {name}, which is 0 and which the kernel refuses: the virtual CPU has that value anyway"));
            }
        }

        return dropped.Count == 0 ? state : SavedMsrs.Without(state, dropped);
    }
}
