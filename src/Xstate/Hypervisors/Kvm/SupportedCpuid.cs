using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>What KVM_GET_SUPPORTED_CPUID answers about extended state.</summary>
public static class SupportedCpuid
{
    /// <summary>XSAVEOPT, XSAVEC, XGETBV(1), XSAVES and XFD in 0xD.1 EAX.</summary>
    private const uint KnownXsaveFeatures = 0b11111;

    /// <summary>
    /// The host's CPUID with leaf 0xD as KVM filters it: components that the process is permitted to use, sizes for all of them, supervisor components of this kernel, and without them no CET in leaf 7.
    /// What a host record says KVM answered there wins for every other leaf.
    /// </summary>
    public static CpuidTable Of(LinuxHost host, StateComponentSet permitted)
    {
        ArgumentNullException.ThrowIfNull(host);
        CpuidTable basis = host.Record.SupportedCpuid ?? host.Record.Cpuid;
        StateComponentSet user = host.KvmXcr0 & permitted;
        if (host.Behavior.Has(KernelDifference.KvmXtileHalf))
        {
            // XTILECFG is on by default in the kernel's own accounting; only later kernels hide it with its pair.
            user |= host.KvmXcr0 & StateComponentSet.Of(StateComponent.TileCfg);
        }
        else if (!user.Contains(StateComponent.TileData))
        {
            user = user.Without(StateComponent.TileCfg);
        }

        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        bool written = false;
        foreach (CpuidEntry entry in basis.Entries)
        {
            if (entry.Answers(7, 0))
            {
                // What a record of the same host under a later kernel has of CET, this one does not offer.
                entries.Add(entry with { Registers = WithoutForeignCet(entry.Registers, host) });
            }
            else if (entry.Leaf != CpuidTable.XsaveLeaf)
            {
                entries.Add(entry);
            }
            else if (!written)
            {
                written = true;
                AddXsaveLeaf(entries, host, user);
            }
        }

        return new CpuidTable(entries.ToImmutable());
    }

    private static CpuidRegisters WithoutForeignCet(CpuidRegisters features, LinuxHost host)
    {
        CpuidRegisters kept = host.KvmShadowStack ? features : CpuidFeatures.CetSs.SetIn(features, present: false);
        return host.KvmBranchTracking ? kept : CpuidFeatures.CetIbt.SetIn(kept, present: false);
    }

    private static void AddXsaveLeaf(ImmutableArray<CpuidEntry>.Builder entries, LinuxHost host, StateComponentSet user)
    {
        uint size = (uint)host.Layout.StandardLengthFor(user);
        entries.Add(Entry(0, new CpuidRegisters((uint)user.Bits, size, size, (uint)(user.Bits >> 32))));
        StateComponentSet supervisor = host.KvmXss;
        CpuidRegisters features = host.Record.SupportedCpuid is { } reported
            ? reported.Read(CpuidTable.XsaveLeaf, 1)
            : host.Record.Cpuid.Read(CpuidTable.XsaveLeaf, 1);
        uint eax = features.Eax & KnownXsaveFeatures;
        if (!user.Contains(StateComponent.TileData))
        {
            eax &= ~(1u << 4);
        }

        uint compacted = (eax & 0b1010) != 0 ? (uint)host.Layout.CompactedLengthFor(user | supervisor) : 0;
        entries.Add(Entry(1, new CpuidRegisters(eax, compacted, (uint)supervisor.Bits, (uint)(supervisor.Bits >> 32))));
        foreach (StateComponent component in user | supervisor)
        {
            if (host.Layout.TryGetSlot(component, out XsaveSlot slot))
            {
                entries.Add(Entry((uint)component, slot.ToCpuid()));
            }
        }
    }

    private static CpuidEntry Entry(uint subleaf, CpuidRegisters registers) => new(CpuidTable.XsaveLeaf, subleaf, SubleafSignificant: true, registers);
}
