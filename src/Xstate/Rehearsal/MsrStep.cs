using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>
/// KVM_SET_MSRS as a VMM makes it of one virtual CPU: its lists, in its order, zeros included, and what it does when one ends short.
/// </summary>
internal static class MsrStep
{
    /// <summary>Makes the calls; null when there is no MSR to set.</summary>
    public static PerformedCall? Perform(IKvmVcpu vcpu, CapturedState state, KvmRestorer restorer)
    {
        ImmutableArray<ImmutableArray<MsrEntry>> lists = restorer.MsrCalls(state);
        int wanted = lists.Sum(list => list.Length);
        if (wanted == 0)
        {
            return null;
        }

        PerformedCall performed = new(state.Id, "KVM_SET_MSRS", KernelReply.Success, (wanted, wanted));
        ImmutableArray<UnsetMsr>.Builder unset = ImmutableArray.CreateBuilder<UnsetMsr>();
        int before = 0;
        foreach (ImmutableArray<MsrEntry> list in lists)
        {
            ReadOnlySpan<MsrEntry> rest = list.AsSpan();
            while (Send(vcpu, rest, restorer, out KernelReply reply) is var taken && taken < rest.Length)
            {
                if (performed.RefusedMsr is null)
                {
                    performed = performed with
                    {
                        Reply = reply,
                        MsrsProcessed = (wanted, before + list.Length - rest.Length + taken),
                        RefusedMsr = rest[taken]
                    };
                }

                if (restorer.OnShortCount is ShortCountPolicy.End or ShortCountPolicy.Abort || !reply.IsSuccess)
                {
                    return performed;
                }

                unset.Add(new UnsetMsr(rest[taken], reply.Why));
                rest = rest[(taken + 1)..];
                if (restorer.OnShortCount == ShortCountPolicy.Unnoticed)
                {
                    unset.AddRange(rest.ToArray().Select(msr => new UnsetMsr(msr, null)));
                    rest = [];
                }
            }

            before += list.Length;
        }

        return performed with { UnsetMsrs = unset.ToImmutable() };
    }

    // How many of a list are set. What the model does not know is taken: no answer here is about it.
    private static int Send(IKvmVcpu vcpu, ReadOnlySpan<MsrEntry> list, KvmRestorer restorer, out KernelReply reply)
    {
        List<int> places = [];
        List<MsrEntry> sent = [];
        for (int i = 0; i < list.Length; i++)
        {
            if (GuestMsrs.IsModelled(list[i].Index) && !restorer.IsSetAlready(vcpu, list[i]))
            {
                places.Add(i);
                sent.Add(list[i]);
            }
        }

        reply = KernelReply.Success;
        if (sent.Count == 0)
        {
            return list.Length;
        }

        reply = vcpu.SetMsrs(sent.ToArray(), out int count);
        return count == sent.Count && reply.IsSuccess ? list.Length : places[Math.Min(count, places.Count - 1)];
    }
}
