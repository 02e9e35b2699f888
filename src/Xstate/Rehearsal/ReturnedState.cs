using System.Collections.Immutable;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;

namespace Xstate.Rehearsal;

/// <summary>What a kernel returns for a virtual CPU.</summary>
/// <param name="Errno">The answer of KVM_GET_XSAVE2, or of KVM_GET_XSAVE where the first does not exist.</param>
/// <param name="Image">The image; empty when it was refused.</param>
/// <param name="Xcr0">XCR0 by KVM_GET_XCRS; null when that was refused or has no entry.</param>
internal sealed record ReturnedState(Errno Errno, ReadOnlyMemory<byte> Image, ulong? Xcr0)
{
    /// <summary>Asks for the state of a virtual CPU.</summary>
    public static ReturnedState Of(IKvmVcpu vcpu)
    {
        ArgumentNullException.ThrowIfNull(vcpu);
        KernelReply reply = vcpu.GetXsave2(out byte[] image);
        if (!reply.IsSuccess)
        {
            reply = vcpu.GetXsave(out image);
        }

        bool hasXcrs = vcpu.GetXcrs(out ImmutableArray<XcrEntry> xcrs).IsSuccess && !xcrs.IsDefaultOrEmpty;
        return new ReturnedState(reply.Errno, image, hasXcrs ? xcrs[0].Value : null);
    }
}
