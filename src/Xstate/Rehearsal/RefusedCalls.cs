using System.Collections.Immutable;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>What is said of calls that a kernel refused, and of MSRs that it did not take.</summary>
internal static class RefusedCalls
{
    /// <summary>Whether the guest runs although the call was refused.</summary>
    public static bool Resumes(KvmRestorer restorer, PerformedCall call) =>
        restorer.OnRefusedCall == RefusedCallPolicy.Resume
        && (call.RefusedMsr is null || restorer.OnShortCount is not (ShortCountPolicy.End or ShortCountPolicy.Abort));

    /// <summary>The finding of a refused call: what the model gives as its reason.</summary>
    public static Finding Finding(PerformedCall failure)
    {
        string answer = failure.Reply.IsSuccess ? $"processes {failure.MsrsProcessed?.Processed} of {failure.MsrsProcessed?.Wanted}"
            : $"answers {failure.Reply.Errno}";
        FindingLocation where = new(failure.Vcpu, Register: failure.RefusedMsr is { } msr ? RegisterOf(msr) : null);
        return Of(failure.Reply.Why, $"{failure.Call} {answer}", where);
    }

    /// <summary>
    /// The findings of MSRs that were not set though the VMM went on. One that was to become 0 is what a new virtual CPU has: nobody misses
    /// it.
    /// </summary>
    public static void AddUnset(ImmutableArray<Finding>.Builder findings, PerformedRestore performed, KvmRestorer restorer)
    {
        foreach (PerformedCall call in performed.Calls)
        {
            foreach (UnsetMsr unset in call.UnsetMsrs.Where(unset => unset.Msr.Value != 0 && GuestMsrs.IsModelled(unset.Msr.Index)))
            {
                FindingLocation where = new(call.Vcpu, Register: RegisterOf(unset.Msr));
                string what = $"{RegisterOf(unset.Msr)} 0x{unset.Msr.Value:x}";
                if (unset.Why is not null)
                {
                    findings.Add(Of(unset.Why, $"{call.Call} stops", where));
                }

                findings.Add(restorer.OnShortCount == ShortCountPolicy.Unnoticed
                    ? RestoreRehearsal.OfRule(Rules.UnsetMsrsUnnoticed,
                        $"{restorer.Title} does not look at how many MSRs the kernel took: {what} is not set, and the guest resumes "
                        + "without it", where)
                    : RestoreRehearsal.OfRule(Rules.MsrsLeftOut,
                        $"{restorer.Title} leaves out {what}, which the kernel refuses, and resumes the guest without it", where));
            }
        }
    }

    /// <summary>The name of an MSR as registers are named.</summary>
    public static string RegisterOf(MsrEntry msr) => GuestMsrs.NameOf(msr.Index).ToLowerInvariant();

    private static Finding Of(Refusal? why, string answer, FindingLocation where) =>
        new(why?.Rule ?? Rules.RegisterDiffers, Severity.Error, $"{answer}: {why?.Message ?? "refused"}")
        {
            Where = where with { Offset = why?.Offset, Leaf = why?.Leaf },
            Found = why?.Found,
            Expected = why?.Expected,
            Since = why?.Since,
            Mend = why is null ? null : why.Rule.Mend,
        };
}
