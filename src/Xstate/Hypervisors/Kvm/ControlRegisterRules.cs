using Xstate.Architecture;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// What KVM_SET_SREGS demands of CR4 and EFER where extended state depends on them (<c>kvm_is_valid_sregs</c>). All other bits pass unchecked, and so does CR4.CET without CR0.WP: that is #GP for the guest's
/// own MOV only (read in 7.2).
/// </summary>
internal static class ControlRegisterRules
{
    private const ulong LongModeBits = 1 << 8 | 1 << 10;

    /// <summary>Why the registers are refused, or null.</summary>
    /// <param name="registers">The registers.</param>
    /// <param name="host">The host.</param>
    /// <param name="cpuid">The guest's CPUID; null before KVM_SET_CPUID2.</param>
    public static Refusal? Check(KvmControlRegisters registers, LinuxHost host, CpuidTable? cpuid)
    {
        KernelBehavior behavior = host.Behavior;
        CpuidTable guest = cpuid ?? CpuidTable.Empty;
        Cr4 cr4 = (Cr4)registers.Cr4;
        CpuidTable offered = (cpuid is null && behavior.Has(KernelDifference.KvmCr4NoCpuid)) || behavior.Has(KernelDifference.KvmPvmHostCpuid) ? host.Record.Cpuid : guest;
        bool xsave = offered.Has(CpuidFeatures.Xsave) && host.HasXsave;

        // kvm_pvm takes CR4.PKE whether or not the processor has protection keys (measured on 6.18 with and without).
        bool keys = behavior.Has(KernelDifference.KvmPvmHostCpuid) || (offered.Has(CpuidFeatures.Pku) && host.UserFeatures.Contains(StateComponent.Pkru));
        bool cet = (host.KvmShadowStack && LinuxHost.HasShadowStack(offered)) || (host.KvmBranchTracking && LinuxHost.HasBranchTracking(offered));
        Cr4 foreign = (xsave ? Cr4.None : cr4 & Cr4.OsXsave) | (keys ? Cr4.None : cr4 & Cr4.ProtectionKeys) | (cet ? Cr4.None : cr4 & Cr4.ControlFlowEnforcement);
        if (foreign != Cr4.None)
        {
            return new Refusal(Rules.ControlRegisterRefused, null, $"CR4 0x{registers.Cr4:x} has {foreign}, which the guest's CPUID does not offer")
            {
                Found = $"0x{registers.Cr4:x}",
                Expected = $"no bit of 0x{(ulong)foreign:x}",
            };
        }

        // A record of a host without the extended leaves says nothing of LM.
        bool hidden = HasLongMode(host.Record.Cpuid) && !HasLongMode(guest) && !behavior.Has(KernelDifference.KvmPvmHostCpuid);
        return hidden && (registers.Efer & LongModeBits) != 0 && behavior.Has(KernelDifference.KvmEferNeedsCpuid)
            ? new Refusal(Rules.ControlRegisterRefused, KernelDifference.KvmEferNeedsCpuid, $"EFER 0x{registers.Efer:x} asks for long mode, which the guest's CPUID does not offer")
            {
                Found = $"0x{registers.Efer:x}",
                Expected = "bits 8 and 10 clear, or LM in leaf 0x80000001",
            }
            : null;
    }

    /// <summary>LM in leaf 0x80000001.</summary>
    internal static bool HasLongMode(CpuidTable cpuid) => cpuid.Has(CpuidFeatures.Lm);
}
