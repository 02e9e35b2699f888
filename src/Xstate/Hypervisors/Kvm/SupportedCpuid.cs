using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Hypervisors.Linux;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// What KVM_GET_SUPPORTED_CPUID answers: the feature bits and the leaves that a state or an instruction of the XSAVE family depends on.
/// Caches, topology and counters pass as the host has them.
/// </summary>
internal static class SupportedCpuid
{
    /// <summary>XSAVEOPT, XSAVEC, XGETBV(1), XSAVES and XFD in 0xD.1 EAX.</summary>
    private const uint KnownXsaveFeatures = 0b11111;

    private const uint HighestBefore613 = 0x1F;
    private const uint HighestSince613 = 0x24;
    private const uint Features = 7;
    private const uint TileLeaf = 0x1D;
    private const uint MultiplyLeaf = 0x1E;
    private const uint Avx10Leaf = 0x24;
    private const uint HypervisorLeaf = 0x4000_0000;
    private const uint HypervisorFeatures = 0x4000_0001;
    private const uint EndOfHypervisorLeaves = 0x4001_0000;
    private const uint ExtendedFeatures = 0x8000_0001;

    // Bits of 0x80000001 EDX that repeat those of leaf 1 on AMD's processors.
    private const uint RepeatedFeatures = 0x0183_F3FF;

    // SPEC_CTRL to BHI_CTRL and MCDT_NO in 7.2 EDX.
    private const uint SpeculationControls = 0x3F;

    // KVM_FEATURE_*: one clock and its stable bit, asynchronous page faults, EOI, unhalt, TLB flush, IPI, yield; the same from 5.8 on
    // (measured on 6.1, 6.12 and 6.18).
    private const uint ParavirtualFeatures = 0x0100_7EFB;

    // "KVMKVMKVM".
    private static readonly CpuidRegisters Signature = new(HypervisorFeatures, 0x4B4D_564B, 0x564B_4D56, 0x4D);

    /// <summary>
    /// The answer for a process that is permitted to use some components: features by kernel, leaf 0xD with sizes for all components, and
    /// without CET's components no CET in leaf 7.
    /// What a host record says KVM answered there wins for every leaf but 0xD and CET.
    /// </summary>
    public static CpuidTable Of(LinuxHost host, StateComponentSet permitted)
    {
        ArgumentNullException.ThrowIfNull(host);
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
        IEnumerable<CpuidEntry> basis = host.Record.SupportedCpuid is { } recorded
            ? recorded.Entries.Select(entry =>
                entry.Answers(Features, 0) ? entry with { Registers = WithoutForeignCet(entry.Registers, host) } : entry)
            : Filtered(host);
        bool written = false;
        foreach (CpuidEntry entry in basis)
        {
            if (entry.Leaf != CpuidTable.XsaveLeaf)
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

    private static IEnumerable<CpuidEntry> Filtered(LinuxHost host)
    {
        uint highest = KvmFeatureOffers.IsKnownTo(host.Behavior.OfferedBy, Releases.From(6, 13)) ? HighestSince613 : HighestBefore613;
        uint highestFeatures = KvmFeatureOffers.IsKnownTo(host.Behavior.OfferedBy, Releases.From(6, 8)) ? 2u : 1;
        foreach (CpuidEntry entry in host.Record.Cpuid.Entries)
        {
            bool hidden = (entry.Leaf > highest && entry.Leaf < HypervisorLeaf)
                || (entry.Leaf == Features && entry.Subleaf > highestFeatures)
                || entry.Leaf is >= HypervisorLeaf and < EndOfHypervisorLeaves;
            if (!hidden && IsIterated(entry))
            {
                yield return entry with { Registers = Offered(host, entry, highest, highestFeatures) };
            }
        }

        yield return new CpuidEntry(HypervisorLeaf, 0, SubleafSignificant: false, Signature);
        yield return new CpuidEntry(HypervisorFeatures, 0, SubleafSignificant: false, new CpuidRegisters(ParavirtualFeatures, 0, 0, 0));
    }

    // Leaves whose sub-leaves KVM goes through; of all others it asks for the first.
    private static bool IsIterated(CpuidEntry entry) =>
        entry.Subleaf == 0 || !entry.SubleafSignificant
        || entry.Leaf is 4 or Features or 0xB or CpuidTable.XsaveLeaf or 0x12 or TileLeaf or 0x1F or 0x8000_001D;

    private static CpuidRegisters Offered(LinuxHost host, CpuidEntry entry, uint highest, uint highestFeatures)
    {
        CpuidRegisters native = entry.Registers;
        uint Ruled(CpuidRegister register) =>
            KvmFeatureOffers.Filter(host, entry.Leaf, entry.Subleaf, register, native[register]) ?? native[register];
        CpuidRegisters ruled = new(Ruled(CpuidRegister.Eax), Ruled(CpuidRegister.Ebx), Ruled(CpuidRegister.Ecx), Ruled(CpuidRegister.Edx));
        return (entry.Leaf, entry.Subleaf) switch
        {
            (0, _) => native with { Eax = Math.Min(native.Eax, highest) },
            (6, _) => new CpuidRegisters(4, 0, 0, 0),
            (Features, 0) => OfFeatures(host, ruled with { Eax = Math.Min(native.Eax, highestFeatures) }),
            (Features, 1) => ruled with { Ebx = 0, Ecx = 0 },
            (Features, 2) => new CpuidRegisters(0, 0, 0, native.Edx & SpeculationControls),
            (TileLeaf or MultiplyLeaf, _) => HasTiles(host) ? native : default,
            (Avx10Leaf, 0) => HasAvx10(host) ? new CpuidRegisters(0, native.Ebx & 0x7_0000 | Math.Min(native.Ebx & 0xFF, 1), 0,
                0) : default,
            (0x8000_0000, _) => native with { Eax = Math.Min(native.Eax, 0x8000_0021) },
            (ExtendedFeatures, _) => ruled with { Edx = ruled.Edx | native.Edx & RepeatedFeatures },
            (0x8000_0021, _) => native with { Eax = native.Eax & ~(1u << CpuidFeatures.Autoibrs.Bit) | ruled.Eax },
            _ => IsKept(entry.Leaf) ? ruled : default,
        };
    }

    private static CpuidRegisters OfFeatures(LinuxHost host, CpuidRegisters features)
    {
        CpuidTable native = host.Record.Cpuid;
        uint ecx = features.Ecx;

        // Keys need CR4.PKE on the host; UMIP is emulated under VMX with descriptor-table exits, which every such processor has.
        ecx = host.UserFeatures.Contains(StateComponent.Pkru) ? ecx : ecx & ~(1u << CpuidFeatures.Pku.Bit);
        ecx = host.UsesSvm ? ecx : ecx | 1u << CpuidFeatures.Umip.Bit;

        // AMD has a bit of its own for each of Intel's speculation controls.
        uint edx = features.Edx;
        edx |= CpuidFeatures.Ibpb.IsIn(native) && CpuidFeatures.Ibrs.IsIn(native) ? 1u << CpuidFeatures.IbrsIbpb.Bit : 0;
        edx |= CpuidFeatures.AmdStibp.IsIn(native) ? 1u << CpuidFeatures.Stibp.Bit : 0;
        edx |= CpuidFeatures.AmdSsbd.IsIn(native) ? 1u << CpuidFeatures.Ssbd.Bit : 0;
        return WithoutForeignCet(features with { Ecx = ecx, Edx = edx }, host);
    }

    private static bool HasTiles(LinuxHost host) =>
        CpuidFeatures.AmxTile.IsIn(host.Record.Cpuid) && KvmFeatureOffers.IsKnownTo(host.Behavior.OfferedBy, Releases.From(5, 17));

    private static bool HasAvx10(LinuxHost host) =>
        CpuidFeatures.Avx10.IsIn(host.Record.Cpuid) && KvmFeatureOffers.IsKnownTo(host.Behavior.OfferedBy, Releases.From(6, 13));

    // The leaves for which KVM has a case; all others are zero, such as those of MONITOR, Intel PT, LBR and the brand string.
    private static bool IsKept(uint leaf) => leaf is 1 or 2 or 4 or 9 or 0xA or 0xB or 0x12 or 0x1F
        or 0x8000_0005 or 0x8000_0006 or 0x8000_0007 or 0x8000_0008 or 0x8000_000A or 0x8000_0019
        or 0x8000_001A or 0x8000_001D or 0x8000_001F or 0x8000_0022;

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
        if (host.Record.SupportedCpuid is null && CpuidFeatures.Xsaves.IsIn(features) && !host.HasXsaves)
        {
            eax &= ~(1u << CpuidFeatures.Xsaves.Bit);
        }

        // 690a757d610e (5.17) brought XFD with AMX; it is offered whether or not the process may use tiles.
        if (host.Record.SupportedCpuid is null && !KvmFeatureOffers.IsKnownTo(host.Behavior.OfferedBy, Releases.From(5, 17)))
        {
            eax &= ~(1u << CpuidFeatures.Xfd.Bit);
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

    private static CpuidEntry Entry(uint subleaf, CpuidRegisters registers) =>
        new(CpuidTable.XsaveLeaf, subleaf, SubleafSignificant: true, registers);
}
