using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>
/// The restore of a guest whose registers the host cannot reach. It is decided before any register is compared: KVM ignores the state,
/// refuses it, or has no such guests.
/// </summary>
internal static class ProtectedGuests
{
    /// <summary>
    /// Whether the state that KVM_SET_XSAVE takes reaches the guest after all: before the launch of a SEV-ES guest of its own VM type,
    /// which came together with the refusals.
    /// </summary>
    public static bool ReachesGuest(GuestProtection protection, KernelBehavior kernel) =>
        protection == GuestProtection.None || (protection == GuestProtection.SevEsBeforeLaunch
            && kernel.Has(KernelDifference.KvmProtectedEinval));

    /// <summary>Rehearses the restore of such a guest.</summary>
    public static TargetOutcome Perform(Capture capture, LinuxHost host, GuestProtection protection, KvmRestorer restorer)
    {
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        using KvmModelMachine machine = new(host, protection);
        PerformedRestore performed = RestorePlan.Perform(machine, restorer.Prepare(capture, host), CpuidTable.Empty, restorer);
        PerformedCall? failure = performed.FirstFailure;
        Verdict verdict = failure is null ? Verdict.Differs : Verdict.Refused;
        string? refusedCall = failure?.Call;
        if (failure is not null)
        {
            findings.Add(RefusedCalls.Finding(failure));
        }
        else if (host.Behavior.Has(KernelDifference.KvmProtectedZero))
        {
            findings.Add(RestoreRehearsal.OfRule(Rules.ProtectedState, Ignored(protection), new FindingLocation()) with
            {
                Since = KernelDifference.KvmProtectedZero.Affected,
            });
        }

        if (Missing(protection, host) is { } missing)
        {
            (verdict, refusedCall) = (Verdict.Refused, CallOf(protection));
            findings.Add(RestoreRehearsal.OfRule(Rules.GuestKindLacking, missing, new FindingLocation()));
        }

        return new TargetOutcome
        {
            Host = host.Record.Name,
            Kernel = host.Behavior.Name,
            Vmm = restorer,
            Verdict = verdict,
            Errno = failure?.Reply.Errno ?? Errno.None,
            RefusedCall = refusedCall,
            Findings = findings.ToImmutable(),
            Performed = performed,
        };
    }

    private static string CallOf(GuestProtection protection) => protection switch
    {
        GuestProtection.SevEs => "KVM_SEV_ES_INIT",
        GuestProtection.SevEsBeforeLaunch => "KVM_SEV_INIT2",
        _ => "KVM_CREATE_VM",
    };

    private static string Ignored(GuestProtection protection)
    {
        string when = protection == GuestProtection.SevEsBeforeLaunch ? ", before its launch too" : "";
        return $"the guest's state is protected{when}: KVM_SET_XSAVE answers success and changes nothing (KVM-PROT-ZERO), "
            + "so that no register of the capture reaches the guest";
    }

    // SEV-ES is AMD's, and SEV-SNP too; TDX is Intel's, so that a guest with protected state may be either.
    private static string? Missing(GuestProtection protection, LinuxHost host)
    {
        bool isAmd = ProcessorModel.From(host.Record.Cpuid).IsAmdLike;
        return protection != GuestProtection.ProtectedState && !isAmd ? $"{host.Record.Name} is no AMD processor: it has no SEV-ES guests"
            : !host.Behavior.Has(KernelDifference.KvmProtectedZero)
            ? $"{host.Behavior.Name} has no guests with protected state: SEV-ES came with 5.11"
            : null;
    }
}
