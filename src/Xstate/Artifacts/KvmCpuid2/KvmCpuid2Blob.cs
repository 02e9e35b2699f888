using System.Collections.Immutable;
using Xstate.Architecture;

namespace Xstate.Artifacts.KvmCpuid2;

/// <summary>One struct kvm_cpuid_entry2 with everything it holds.</summary>
/// <param name="Function">EAX on input.</param>
/// <param name="Index">ECX on input.</param>
/// <param name="Flags">Bit 0: the index is significant. Bits 1 and 2 (stateful leaf 2) were set by kernels before 5.8.</param>
/// <param name="Registers">The answer.</param>
/// <param name="Padding0">First padding word; zero from every kernel.</param>
/// <param name="Padding1">Second padding word.</param>
/// <param name="Padding2">Third padding word.</param>
internal readonly record struct KvmCpuidEntry2(
    uint Function, uint Index, uint Flags, CpuidRegisters Registers, uint Padding0 = 0, uint Padding1 = 0, uint Padding2 = 0)
{
    /// <summary>KVM_CPUID_FLAG_SIGNIFCANT_INDEX, spelt as the kernel spells it.</summary>
    public const uint SignificantIndex = 1;
}

/// <summary>struct kvm_cpuid2 as KVM_GET_CPUID2 and KVM_GET_SUPPORTED_CPUID fill it, kept bit for bit.</summary>
/// <param name="Padding">The word after nent.</param>
/// <param name="Entries">The entries in the kernel's order.</param>
internal sealed record KvmCpuid2Blob(uint Padding, ImmutableArray<KvmCpuidEntry2> Entries)
{
    /// <summary>The answers as a table.</summary>
    public CpuidTable ToTable() => new(
        [.. Entries.Select(entry =>
            new CpuidEntry(entry.Function, entry.Index, (entry.Flags & KvmCpuidEntry2.SignificantIndex) != 0, entry.Registers))]);

    /// <summary>The blob that KVM_SET_CPUID2 takes for a table.</summary>
    public static KvmCpuid2Blob From(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        return new KvmCpuid2Blob(
            0,
            [.. cpuid.Entries.Select(entry =>
                new KvmCpuidEntry2(entry.Leaf, entry.Subleaf, entry.SubleafSignificant ? KvmCpuidEntry2.SignificantIndex : 0,
                    entry.Registers))]);
    }
}
