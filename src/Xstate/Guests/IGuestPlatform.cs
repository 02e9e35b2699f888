using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Guests;

/// <summary>What became of an instruction that a hypervisor intercepts.</summary>
/// <param name="Fault">The guest's fault, or none.</param>
/// <param name="EntryFails">Whether the hypervisor can no longer enter the guest.</param>
/// <param name="IsModelled">Whether the model knows what the hypervisor does with these operands.</param>
internal readonly record struct Intercepted(Fault Fault, bool EntryFails = false, bool IsModelled = true);

/// <summary>The instructions of a modelled guest whose answers come from the hypervisor, not from the processor.</summary>
internal interface IGuestPlatform
{
    CpuidRegisters Cpuid(uint leaf, uint subleaf);

    /// <summary>XSETBV with the whole registers; CR4.OSXSAVE is set. What the guest then finds is in the processor.</summary>
    Intercepted Xsetbv(ulong rax, ulong rcx, ulong rdx);

    Intercepted Rdmsr(uint index, out ulong value);

    Intercepted Wrmsr(uint index, ulong value);

    /// <summary>MOV to CR4. The processor's CR4 follows only when it is taken.</summary>
    Intercepted WriteCr4(ulong value, ulong cr3);
}
