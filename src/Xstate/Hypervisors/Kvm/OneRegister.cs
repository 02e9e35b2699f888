using System.Collections.Immutable;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>KVM_GET_ONE_REG, KVM_SET_ONE_REG and KVM_GET_REG_LIST (6.18): MSRs one by one, and the guest's SSP.</summary>
internal static class OneRegister
{
    /// <summary>KVM_SET_ONE_REG.</summary>
    public static KernelReply Set(LinuxHost host, GuestMsrs msrs, ulong id, ulong value)
    {
        if (Locate(host, msrs, id, out uint index) is { } refused)
        {
            return refused;
        }

        KernelReply reply = msrs.Set(index, value, out int count);
        return count == 1 ? KernelReply.Success : new KernelReply(Errno.EINVAL, reply.Why);
    }

    /// <summary>KVM_GET_ONE_REG.</summary>
    public static KernelReply Get(LinuxHost host, GuestMsrs msrs, ulong id, out ulong value)
    {
        value = 0;
        if (Locate(host, msrs, id, out uint index) is { } refused)
        {
            return refused;
        }

        msrs.Get(index, out int count, out value);
        return count == 1 ? KernelReply.Success : Refuse($"this vCPU does not have MSR 0x{index:x}");
    }

    /// <summary>KVM_GET_REG_LIST: only what KVM itself defines, and only what this guest has.</summary>
    public static KernelReply List(LinuxHost host, GuestMsrs msrs, out ImmutableArray<ulong> ids)
    {
        ids = [];
        if (Missing(host) is { } refused)
        {
            return refused;
        }

        ids = msrs.HasShadowStack ? [KvmRegisterId.GuestSsp] : [];
        return KernelReply.Success;
    }

    private static KernelReply? Locate(LinuxHost host, GuestMsrs msrs, ulong id, out uint index)
    {
        bool isRegister = KvmRegisterId.TryParse(id, out uint type, out index);
        if (Missing(host) is { } refused)
        {
            return refused;
        }

        if (!isRegister || type is not (KvmRegisterId.MsrType or KvmRegisterId.KvmType))
        {
            return Refuse($"0x{id:x} names no 64-bit register of x86");
        }

        if (type == KvmRegisterId.MsrType)
        {
            return null;
        }

        if (index != 0 || !msrs.HasShadowStack)
        {
            return Refuse(index != 0 ? $"KVM defines no register {index}" : "the guest has no shadow stacks, and so no SSP");
        }

        index = KvmModelVcpu.GuestSsp;
        return null;
    }

    private static KernelReply? Missing(LinuxHost host) =>
        host.Behavior.Has(KernelDifference.KvmOneRegister) ? null : Refuse("this kernel has no such call for x86");

    private static KernelReply Refuse(string message) =>
        new(Errno.EINVAL, new Refusal(Rules.CetRegisterRefused, KernelDifference.KvmOneRegister, message));
}
