using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.OpenBsd;
using Xstate.Processor;

namespace Xstate.Scenarios;

/// <summary>What became of an XSETBV.</summary>
/// <param name="Fault">The guest's fault, or none.</param>
/// <param name="EntryFails">Whether the hypervisor can no longer enter the guest.</param>
/// <param name="Why">The reason.</param>
internal readonly record struct XsetbvOutcome(Fault Fault, bool EntryFails, Refusal? Why);

/// <summary>The instructions of a modelled guest whose answers depend on the hypervisor.</summary>
internal interface IModelGuest
{
    CpuidRegisters Cpuid(uint leaf, uint subleaf);

    Cr4 Cr4 { get; }

    StateComponentSet Xcr0 { get; }

    XsetbvOutcome Xsetbv(ulong rax, ulong rcx, ulong rdx, int cpl);

    uint? Pkru { get; set; }
}

/// <summary>A guest of the modelled KVM.</summary>
internal sealed class KvmGuest(KvmModelVcpu vcpu) : IModelGuest
{
    public Cr4 Cr4
    {
        get
        {
            vcpu.GetControlRegisters(out KvmControlRegisters registers);
            return (Cr4)registers.Cr4;
        }
    }

    public StateComponentSet Xcr0 => vcpu.Xcr0;

    public uint? Pkru
    {
        get => vcpu.Pkru;
        set => vcpu.WritePkruAsGuest(value ?? 0);
    }

    public CpuidRegisters Cpuid(uint leaf, uint subleaf) => vcpu.Cpuid.Read(leaf, subleaf);

    public XsetbvOutcome Xsetbv(ulong rax, ulong rcx, ulong rdx, int cpl)
    {
        // The same function as KVM_SET_XCRS behind the intercept, with 32-bit halves.
        ulong value = (uint)rax | rdx << 32;
        KvmReply reply = cpl != 0 || (uint)rcx != 0 ? new KvmReply(Hypervisors.Errno.EINVAL) : vcpu.SetXcrs(1, 0, [new XcrEntry(0, value)]);
        return new XsetbvOutcome(reply.IsSuccess ? Fault.None : Fault.GeneralProtection, EntryFails: false, reply.Why);
    }
}

/// <summary>A guest of OpenBSD's modelled vmm. PKRU lives in the processor and is not followed here.</summary>
internal sealed class VmmGuest(VmmVcpu vcpu) : IModelGuest
{
    public Cr4 Cr4 => vcpu.Cr4;

    public StateComponentSet Xcr0 => vcpu.Xcr0;

    public uint? Pkru { get; set; } = vcpu.Host.HasProtectionKeys ? 0 : null;

    public CpuidRegisters Cpuid(uint leaf, uint subleaf) => vcpu.Cpuid(leaf, subleaf);

    public XsetbvOutcome Xsetbv(ulong rax, ulong rcx, ulong rdx, int cpl)
    {
        VmmXsetbv outcome = vcpu.Xsetbv(rax, rcx, rdx, cpl);
        return new XsetbvOutcome(outcome.Fault, outcome.EntryFails, outcome.Why is { } why ? new Refusal("XS0201", null, why) : null);
    }
}
