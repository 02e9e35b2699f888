using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// KVM-PVM-HOST-CPUID: the kvm_pvm flavour runs guest user code directly on the processor, so it replaces what user space says about leaf
/// 0xD by what the processor says. Measured on 6.18; only leaf 0xD is modelled, because no other leaf takes part in the state's calls.
/// </summary>
internal static class PvmCpuid
{
    private const int MaxSubleaf = 63;
    private static readonly StateComponentSet Tiles = StateComponentSet.Of(StateComponent.TileCfg, StateComponent.TileData);

    /// <summary>The table that the guest gets when user space asks for <paramref name="asked"/>.</summary>
    public static ImmutableArray<CpuidEntry> Rewrite(ImmutableArray<CpuidEntry> asked, LinuxHost host)
    {
        ArgumentNullException.ThrowIfNull(host);
        ImmutableArray<CpuidEntry>.Builder entries = asked.ToBuilder();
        AppendMissing(entries, host);
        for (int subleaf = 0; subleaf <= MaxSubleaf; subleaf++)
        {
            int index = Find(entries, (uint)subleaf);
            if (index >= 0)
            {
                entries[index] = entries[index] with { Registers = Native(entries, host, (StateComponent)subleaf) };
            }
        }

        return entries.ToImmutable();
    }

    private static void AppendMissing(ImmutableArray<CpuidEntry>.Builder entries, LinuxHost host)
    {
        int added = 2 + (host.KvmXcr0.Count - StateComponentSet.Legacy.Count);
        bool hasFeatures = entries.Any(entry => entry.Answers(1, 0));
        if (!hasFeatures || Find(entries, 0) >= 0 || entries.Count + added > KvmModelVcpu.MaxCpuidEntries)
        {
            return;
        }

        Add(0);
        Add(1);
        foreach (StateComponent component in host.KvmXcr0.Except(StateComponentSet.Legacy))
        {
            Add((uint)component);
        }

        void Add(uint subleaf) => entries.Add(
            new CpuidEntry(CpuidTable.XsaveLeaf, subleaf, SubleafSignificant: true, host.Record.Cpuid.Read(CpuidTable.XsaveLeaf, subleaf)));
    }

    private static CpuidRegisters Native(ImmutableArray<CpuidEntry>.Builder entries, LinuxHost host, StateComponent subleaf)
    {
        CpuidRegisters native = host.Record.Cpuid.Read(CpuidTable.XsaveLeaf, (uint)subleaf);
        if (subleaf == StateComponent.X87)
        {
            // It has no tiles to give, and computes the size of what it shows: a hypervisor below may hide components and leave the
            // processor's own size in ECX (both measured on 6.18).
            StateComponentSet shown = new StateComponentSet(native.EdxEax).Except(Tiles);
            return native with { Eax = (uint)shown.Bits, Ecx = (uint)host.Layout.StandardLengthFor(shown) };
        }

        if (subleaf == StateComponent.Sse)
        {
            // XSAVES, XFD and the supervisor components are taken away.
            return native with { Eax = native.Eax & ~(0b11u << 3), Ecx = 0, Edx = 0 };
        }

        int leaf0 = Find(entries, 0);
        StateComponentSet guest = leaf0 < 0 ? StateComponentSet.Empty : new StateComponentSet(entries[leaf0].Registers.EdxEax)
            & host.KvmXcr0;
        return guest.Contains(subleaf) ? native : default;
    }

    private static int Find(ImmutableArray<CpuidEntry>.Builder entries, uint subleaf)
    {
        for (int i = 0; i < entries.Count; i++)
        {
            if (entries[i].Answers(CpuidTable.XsaveLeaf, subleaf))
            {
                return i;
            }
        }

        return -1;
    }
}
