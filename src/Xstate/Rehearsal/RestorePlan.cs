using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>
/// The calls that restore a capture, performed on any implementation of them: the model to predict, the real kernel to prove.
/// </summary>
internal static class RestorePlan
{
    /// <summary>
    /// Restores every virtual CPU in the VMM's order. A virtual CPU whose call fails gets no further calls; the others do.
    /// </summary>
    /// <param name="machine">A fresh machine.</param>
    /// <param name="capture">What to restore, as <see cref="KvmRestorer.Prepare"/> made it.</param>
    /// <param name="guestCpuid">The guest's CPUID for states that carry none.</param>
    /// <param name="restorer">The VMM.</param>
    /// <param name="used">What the virtual CPUs hold beforehand; null for fresh ones.</param>
    /// <param name="readBack">Whether to ask the kernel for the state afterwards, as a proof needs it.</param>
    public static PerformedRestore Perform(
        IKvmMachine machine, Capture capture, CpuidTable guestCpuid, KvmRestorer restorer, UsedVcpus? used = null, bool readBack = false)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(guestCpuid);
        ArgumentNullException.ThrowIfNull(restorer);
        ImmutableArray<PerformedCall>.Builder calls = ImmutableArray.CreateBuilder<PerformedCall>();
        ImmutableArray<RestoredVcpu>.Builder vcpus = ImmutableArray.CreateBuilder<RestoredVcpu>();
        if (restorer.AsksFor.Contains(StateComponent.TileData)
            && capture.States.Any(state => CpuidOf(state, guestCpuid).UserComponents.Contains(StateComponent.TileData)))
        {
            calls.Add(new PerformedCall(0, "ARCH_REQ_XCOMP_GUEST_PERM", machine.RequestGuestPermission(StateComponent.TileData)));
        }

        for (int position = 0; position < capture.States.Length; position++)
        {
            // vCPU ids in artifacts can be sparse or thread ids; the kernel only needs them to be distinct.
            CapturedState state = capture.States[position];
            KernelReply created = machine.CreateVcpu(position, out IKvmVcpu? vcpu);
            if (vcpu is null)
            {
                calls.Add(new PerformedCall(state.Id, "KVM_CREATE_VCPU", created) { Index = position });
                continue;
            }

            CpuidTable cpuid = CpuidOf(state, guestCpuid);
            if (used?.GiveTo(vcpu, position, state.Id, cpuid) is { } refused)
            {
                calls.Add(refused with { Index = position });
            }
            else
            {
                calls.AddRange(Restore(vcpu, state, cpuid, restorer).Select(call => call with { Index = position }));
            }

            vcpus.Add(new RestoredVcpu(state.Id, vcpu) { Index = position, Returned = readBack ? ReturnedState.Of(vcpu) : null });
        }

        return new PerformedRestore(calls.ToImmutable(), vcpus.ToImmutable());
    }

    /// <summary>The CPUID that a state's guest sees.</summary>
    public static CpuidTable CpuidOf(CapturedState state, CpuidTable fallback)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.GuestCpuid?.Value ?? fallback;
    }

    private static IEnumerable<PerformedCall> Restore(IKvmVcpu vcpu, CapturedState state, CpuidTable cpuid, KvmRestorer restorer)
    {
        foreach (RestoreCall call in restorer.Order)
        {
            if (PerformOne(call, vcpu, state, cpuid, restorer) is { } performed)
            {
                yield return performed;
                if (!performed.Succeeded)
                {
                    yield break;
                }
            }
        }
    }

    private static PerformedCall? PerformOne(RestoreCall call, IKvmVcpu vcpu, CapturedState state, CpuidTable cpuid,
        KvmRestorer restorer) => call switch
        {
            RestoreCall.SetCpuid2 => new PerformedCall(state.Id, "KVM_SET_CPUID2", vcpu.SetCpuid2(cpuid.Entries.AsSpan())),
            RestoreCall.SetXsave => new PerformedCall(state.Id, "KVM_SET_XSAVE", vcpu.SetXsave(state.Area.Span)),
            RestoreCall.SetXcrs => restorer.XcrsCall(state) is { } entries
                ? new PerformedCall(state.Id, "KVM_SET_XCRS", vcpu.SetXcrs((uint)entries.Length, 0, entries.AsSpan()))
                : null,
            RestoreCall.SetFpu => state.Fpu is { } fpu ? new PerformedCall(state.Id, "KVM_SET_FPU", vcpu.SetFpu(KvmFpu.LoadFrom(fpu.Span)))
                : null,
            RestoreCall.SetMsrs => MsrStep.Perform(vcpu, state, restorer),
            _ => throw new ArgumentOutOfRangeException(nameof(call)),
        };
}
