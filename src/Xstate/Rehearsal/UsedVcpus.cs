using System.Buffers.Binary;
using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>Virtual CPUs that ran something else before the restore, and what they still hold.</summary>
/// <param name="Host">The host, at whose offsets the kernel reads images.</param>
/// <param name="State">Their state: the one at the same position, and the last for those beyond; null when only PKRU is known.</param>
/// <param name="Pkru">Their PKRU; null for that of the state.</param>
internal sealed record UsedVcpus(LinuxHost Host, Capture? State, uint? Pkru)
{
    private const string Before = "of the state before the restore";

    /// <summary>Gives one fresh virtual CPU the state; the first call that the kernel refuses ends it.</summary>
    /// <param name="vcpu">The virtual CPU.</param>
    /// <param name="position">Its position in the capture that will be restored.</param>
    /// <param name="id">Its index there.</param>
    /// <param name="cpuid">The guest's CPUID.</param>
    /// <returns>The refused call, or null.</returns>
    internal PerformedCall? GiveTo(IKvmVcpu vcpu, int position, int id, CpuidTable cpuid)
    {
        CapturedState? state = State?.States[Math.Min(position, State.States.Length - 1)];
        if (Refused("KVM_SET_CPUID2", vcpu.SetCpuid2(cpuid.Entries.AsSpan())) is { } noCpuid)
        {
            return noCpuid;
        }

        if (state is not null && GiveState(vcpu, id, StoredImage.AtOffsetsOf(state, Host)) is { } noState)
        {
            return noState;
        }

        return Pkru is { } pkru && PkruImage(pkru) is { } image ? Refused("KVM_SET_XSAVE", vcpu.SetXsave(image)) : null;

        PerformedCall? Refused(string call, KernelReply reply) => reply.IsSuccess ? null : new PerformedCall(id, $"{call} {Before}", reply);
    }

    private static PerformedCall? GiveState(IKvmVcpu vcpu, int id, CapturedState state)
    {
        KernelReply reply = vcpu.SetXsave(state.Area.Span);
        if (!reply.IsSuccess)
        {
            return new PerformedCall(id, $"KVM_SET_XSAVE {Before}", reply);
        }

        reply = state.Xcr0 is { } xcr0 ? vcpu.SetXcrs(1, 0, [new XcrEntry(0, xcr0.Value.Bits)]) : KernelReply.Success;
        if (!reply.IsSuccess)
        {
            return new PerformedCall(id, $"KVM_SET_XCRS {Before}", reply);
        }

        ImmutableArray<MsrEntry> msrs = [.. SavedMsrs.Of(state).Where(msr => msr.Value != 0 && GuestMsrs.IsModelled(msr.Index))];
        reply = vcpu.SetMsrs(msrs.AsSpan(), out int count);
        return reply.IsSuccess && count == msrs.Length
            ? null
            : new PerformedCall(id, $"KVM_SET_MSRS {Before}", reply, (msrs.Length, count))
            {
                RefusedMsr = count < msrs.Length
                ? msrs[count] : null
            };
    }

    // Null where the processor has no PKRU: there is nothing to hold.
    private byte[]? PkruImage(uint pkru)
    {
        if (!Host.KvmXcr0.Contains(StateComponent.Pkru) || !Host.Layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot)
            || slot.End > KvmModelMachine.XsaveLength)
        {
            return null;
        }

        byte[] image = new byte[KvmModelMachine.XsaveLength];
        new XsaveAreaWriter(image).WriteXstateBv(StateComponentSet.Of(StateComponent.Pkru));
        BinaryPrimitives.WriteUInt32LittleEndian(image.AsSpan(slot.Offset), pkru);
        return image;
    }
}
