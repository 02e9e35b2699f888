using System.Collections.Immutable;
using System.Runtime.Intrinsics.X86;
using Xstate.Architecture;

namespace Xstate.Linux;

/// <summary>Reads CPUID of the processor that this runs on.</summary>
internal static class HostCpuid
{
    private const uint HypervisorLeaf = 0x4000_0000;
    private const uint ExtendedLeaf = 0x8000_0000;

    /// <summary>
    /// Ceilings for what a processor or hypervisor may answer as its last leaf, so that a wrong one cannot make a table of gigabytes.
    /// </summary>
    private const uint MaxLeaves = 0x100;
    private const uint MaxSubleaves = 64;

    /// <summary>All leaves and sub-leaves that the processor answers, in the order of their numbers.</summary>
    /// <exception cref="PlatformNotSupportedException">The processor is not x86.</exception>
    public static CpuidTable Read() => Read((leaf, subleaf) =>
    {
        (int eax, int ebx, int ecx, int edx) = X86Base.CpuId((int)leaf, (int)subleaf);
        return new CpuidRegisters((uint)eax, (uint)ebx, (uint)ecx, (uint)edx);
    });

    internal static CpuidTable Read(Func<uint, uint, CpuidRegisters> cpuid)
    {
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        bool hasHypervisor = CpuidFeatures.Hypervisor.IsIn(cpuid(1, 0));
        foreach (uint range in (ReadOnlySpan<uint>)[0, HypervisorLeaf, ExtendedLeaf])
        {
            if (range == HypervisorLeaf && !hasHypervisor)
            {
                continue;
            }

            uint last = cpuid(range, 0).Eax;
            for (uint leaf = range; leaf <= last && leaf - range < MaxLeaves; leaf++)
            {
                AddLeaf(entries, cpuid, leaf);
            }
        }

        return new CpuidTable(entries.ToImmutable());
    }

    private static void AddLeaf(ImmutableArray<CpuidEntry>.Builder entries, Func<uint, uint, CpuidRegisters> cpuid, uint leaf)
    {
        CpuidRegisters first = cpuid(leaf, 0);
        switch (leaf)
        {
            case CpuidTable.XsaveLeaf:
                StateComponentSet enumerated = new(first.EdxEax | cpuid(leaf, 1).EdxEcx | 0b11);
                foreach (StateComponent component in enumerated)
                {
                    Add((uint)component);
                }

                break;

            // The last sub-leaf is in EAX.
            case 7 or 0x14 or 0x17 or 0x18 or 0x1D or 0x20 or 0x24:
                for (uint subleaf = 0; subleaf <= Math.Min(first.Eax, MaxSubleaves); subleaf++)
                {
                    Add(subleaf);
                }

                break;

            // The first sub-leaf without a cache, level or section ends the list and belongs to it.
            case 4 or 0xB or 0x12 or 0x1F or 0x8000_001D or 0x8000_0026:
                for (uint subleaf = 0; subleaf < MaxSubleaves; subleaf++)
                {
                    Add(subleaf);
                    if (IsEnd(subleaf))
                    {
                        break;
                    }
                }

                break;

            case 0xF or 0x10 or 0x1E:
                Add(0);
                Add(1);
                break;

            default:
                entries.Add(new CpuidEntry(leaf, 0, SubleafSignificant: false, first));
                break;
        }

        void Add(uint subleaf) => entries.Add(new CpuidEntry(leaf, subleaf, SubleafSignificant: true, cpuid(leaf, subleaf)));

        bool IsEnd(uint subleaf)
        {
            CpuidRegisters registers = cpuid(leaf, subleaf);
            return leaf switch
            {
                0xB or 0x1F or 0x8000_0026 => (registers.Ecx & 0xFF00) == 0,
                0x12 => subleaf >= 2 && (registers.Eax & 0xF) == 0,
                _ => (registers.Eax & 0x1F) == 0,
            };
        }
    }
}
