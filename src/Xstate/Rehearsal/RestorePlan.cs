using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>The outcome of one call on one virtual CPU.</summary>
/// <param name="Vcpu">Virtual CPU index.</param>
/// <param name="Call">The call as the kernel names it.</param>
/// <param name="Reply">Its answer.</param>
/// <param name="MsrsProcessed">For KVM_SET_MSRS, how many of the wanted MSRs were processed.</param>
public sealed record PerformedCall(int Vcpu, string Call, KvmReply Reply, (int Wanted, int Processed)? MsrsProcessed = null)
{
    /// <summary>MSRs that the kernel refused and the monitor left out, with the values they were to have.</summary>
    public ImmutableArray<KeyValuePair<uint, ulong>> SkippedMsrs { get; init; } = [];

    /// <summary>Whether the monitor goes on after this call.</summary>
    public bool Succeeded => !SkippedMsrs.IsEmpty || (Reply.IsSuccess && (MsrsProcessed is not { } msrs || msrs.Wanted == msrs.Processed));
}

/// <summary>A restored virtual CPU: the object, and what the kernel returns for it.</summary>
/// <param name="Id">Virtual CPU index.</param>
/// <param name="Vcpu">The virtual CPU, alive as long as its machine.</param>
/// <param name="Image">What KVM_GET_XSAVE2 or KVM_GET_XSAVE returns afterwards.</param>
/// <param name="Xcr0">XCR0 afterwards.</param>
public sealed record RestoredVcpu(int Id, IKvmVcpu Vcpu, ReadOnlyMemory<byte> Image, ulong Xcr0);

/// <summary>A performed restore.</summary>
/// <param name="Calls">All calls, in order.</param>
/// <param name="Vcpus">The virtual CPUs that exist afterwards.</param>
public sealed record PerformedRestore(ImmutableArray<PerformedCall> Calls, ImmutableArray<RestoredVcpu> Vcpus)
{
    /// <summary>The first call that failed, or null.</summary>
    public PerformedCall? FirstFailure => Calls.FirstOrDefault(call => !call.Succeeded);
}

/// <summary>Virtual CPUs that ran something else before: what they still hold.</summary>
/// <param name="Pkru">Their PKRU.</param>
/// <param name="HostLayout">The host's layout, at whose offsets the kernel reads images.</param>
public sealed record UsedVcpus(uint Pkru, XsaveLayout HostLayout);

/// <summary>The calls that restore a capture, performed on any implementation of them: the model to predict, the real kernel to prove.</summary>
public static class RestorePlan
{
    private const uint MsrXss = KvmModelVcpu.MsrXss;
    private const uint MsrXfd = KvmModelVcpu.MsrXfd;

    /// <summary>Restores every virtual CPU in the monitor's order. A virtual CPU whose call fails gets no further calls; the others do.</summary>
    /// <param name="machine">A fresh machine.</param>
    /// <param name="capture">What to restore.</param>
    /// <param name="guestCpuid">The guest's CPUID for states that carry none.</param>
    /// <param name="vmm">The monitor.</param>
    /// <param name="used">What the virtual CPUs hold beforehand; null for fresh ones.</param>
    public static PerformedRestore Perform(IKvmMachine machine, Capture capture, CpuidTable guestCpuid, VmmProfile vmm, UsedVcpus? used = null)
    {
        ArgumentNullException.ThrowIfNull(machine);
        ArgumentNullException.ThrowIfNull(capture);
        ArgumentNullException.ThrowIfNull(guestCpuid);
        ArgumentNullException.ThrowIfNull(vmm);
        ImmutableArray<PerformedCall>.Builder calls = ImmutableArray.CreateBuilder<PerformedCall>();
        ImmutableArray<RestoredVcpu>.Builder vcpus = ImmutableArray.CreateBuilder<RestoredVcpu>();
        if (capture.States.Any(state => CpuidOf(state, guestCpuid).UserComponents.Contains(StateComponent.TileData)))
        {
            calls.Add(new PerformedCall(0, "ARCH_REQ_XCOMP_GUEST_PERM", machine.RequestGuestPermission(StateComponent.TileData)));
        }

        for (int id = 0; id < capture.States.Length; id++)
        {
            // vCPU ids in artifacts can be sparse or thread ids; the kernel only needs them to be distinct.
            KvmReply created = machine.CreateVcpu(id, out IKvmVcpu? vcpu);
            if (vcpu is null)
            {
                calls.Add(new PerformedCall(capture.States[id].Id, "KVM_CREATE_VCPU", created));
                continue;
            }

            CapturedState state = capture.States[id];
            if (used is not null)
            {
                GivePreviousPkru(vcpu, CpuidOf(state, guestCpuid), used);
            }

            foreach (RestoreCall call in vmm.Order)
            {
                if (PerformOne(call, vcpu, state, CpuidOf(state, guestCpuid), vmm) is { } performed)
                {
                    calls.Add(performed);
                    if (!performed.Succeeded)
                    {
                        break;
                    }
                }
            }

            vcpus.Add(ReadBack(state.Id, vcpu));
        }

        return new PerformedRestore(calls.ToImmutable(), vcpus.ToImmutable());
    }

    /// <summary>The CPUID that a state's guest sees.</summary>
    public static CpuidTable CpuidOf(CapturedState state, CpuidTable fallback)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state.GuestCpuid?.Value ?? fallback;
    }

    private static PerformedCall? PerformOne(RestoreCall call, IKvmVcpu vcpu, CapturedState state, CpuidTable cpuid, VmmProfile vmm) => call switch
    {
        RestoreCall.SetCpuid2 => new PerformedCall(state.Id, "KVM_SET_CPUID2", vcpu.SetCpuid2(cpuid.Entries.AsSpan())),
        RestoreCall.SetXsave => new PerformedCall(state.Id, "KVM_SET_XSAVE", vcpu.SetXsave(state.Area.Span)),
        RestoreCall.SetXcrs => state.Xcr0 is { } xcr0
            ? new PerformedCall(state.Id, "KVM_SET_XCRS", vcpu.SetXcrs(1, 0, [new XcrEntry(0, xcr0.Value.Bits)]))
            : null,
        RestoreCall.SetFpu => state.Fpu is { } fpu ? new PerformedCall(state.Id, "KVM_SET_FPU", vcpu.SetFpu(KvmFpu.LoadFrom(fpu.Span))) : null,
        RestoreCall.SetMsrs => SetMsrs(vcpu, state, vmm.SkipsRefusedMsrs),
        _ => throw new ArgumentOutOfRangeException(nameof(call)),
    };

    private static PerformedCall? SetMsrs(IKvmVcpu vcpu, CapturedState state, bool skips)
    {
        ImmutableArray<KeyValuePair<uint, ulong>>.Builder skipped = ImmutableArray.CreateBuilder<KeyValuePair<uint, ulong>>();
        int wanted = 0;
        int processed = 0;
        KvmReply worst = KvmReply.Success;
        Set(MsrXss, state.Xss?.Value.Bits ?? 0);
        Set(MsrXfd, state.Xfd?.Value.Bits ?? 0);
        foreach ((uint index, ulong value) in state.Msrs)
        {
            if (GuestMsrs.IsCet(index))
            {
                Set(index, value);
            }
        }

        return wanted == 0 ? null : new PerformedCall(state.Id, "KVM_SET_MSRS", worst, (wanted, processed)) { SkippedMsrs = skipped.ToImmutable() };

        void Set(uint index, ulong value)
        {
            // Zero is what a new vCPU has; monitors send it too, and it is accepted wherever the MSR exists.
            if (value == 0)
            {
                return;
            }

            wanted++;
            KvmReply reply = vcpu.SetMsr(index, value, out int count);
            processed += count;
            worst = reply.IsSuccess && reply.Why is null ? worst : reply;
            if (skips && count == 0)
            {
                skipped.Add(new KeyValuePair<uint, ulong>(index, value));
            }
        }
    }

    private static void GivePreviousPkru(IKvmVcpu vcpu, CpuidTable cpuid, UsedVcpus used)
    {
        vcpu.SetCpuid2(cpuid.Entries.AsSpan());
        if (used.HostLayout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot) && slot.End <= KvmModelMachine.XsaveLength)
        {
            byte[] image = new byte[KvmModelMachine.XsaveLength];
            BitConverter.TryWriteBytes(image.AsSpan(XsaveFormat.XstateBvOffset), StateComponentSet.Of(StateComponent.Pkru).Bits);
            BitConverter.TryWriteBytes(image.AsSpan(slot.Offset), used.Pkru);
            vcpu.SetXsave(image);
        }
    }

    private static RestoredVcpu ReadBack(int id, IKvmVcpu vcpu)
    {
        KvmReply reply = vcpu.GetXsave2(out byte[] image);
        if (!reply.IsSuccess)
        {
            vcpu.GetXsave(out image);
        }

        vcpu.GetXcrs(out ImmutableArray<XcrEntry> xcrs);
        return new RestoredVcpu(id, vcpu, image, xcrs.IsDefaultOrEmpty ? 1 : xcrs[0].Value);
    }
}
