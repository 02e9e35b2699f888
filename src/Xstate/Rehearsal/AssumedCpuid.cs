using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>CPUID of a guest of which only the components are assumed: the rest is what the target's KVM supports.</summary>
internal static class AssumedCpuid
{
    private const uint Xfd = 1u << 4;
    private const uint ShadowStack = 1u << 7;
    private const uint BranchTracking = 1u << 20;
    private static readonly ConditionalWeakTable<LinuxHost, CpuidTable> Supported = [];

    /// <summary>What KVM_GET_SUPPORTED_CPUID answers on a host to a process that has asked for nothing.</summary>
    public static CpuidTable SupportedBy(LinuxHost host) => Supported.GetValue(host, static host => SupportedCpuid.Of(host, host.DefaultUserFeatures));

    /// <summary>A guest's CPUID.</summary>
    /// <param name="host">The target.</param>
    /// <param name="user">Components in 0xD.0.</param>
    /// <param name="withSupervisor">Whether it has the supervisor components that the target's KVM supports, or none.</param>
    /// <param name="writer">Where components are that the target does not have.</param>
    public static CpuidTable Of(LinuxHost host, StateComponentSet user, bool withSupervisor, XsaveLayout writer)
    {
        CpuidTable supported = SupportedBy(host);
        if (!host.HasXsave && StateComponentSet.Legacy.ContainsAll(user))
        {
            return supported;
        }

        StateComponentSet supervisor = withSupervisor ? supported.SupervisorComponents : StateComponentSet.Empty;
        XsaveLayout layout = XsaveLayout.FromSlots(host.Layout.Slots.Concat(writer.Slots.Where(slot => !host.Layout.TryGetSlot(slot.Component, out _))));
        ImmutableArray<CpuidEntry>.Builder entries = ImmutableArray.CreateBuilder<CpuidEntry>();
        foreach (CpuidEntry entry in supported.Entries.Where(entry => entry.Leaf != CpuidTable.XsaveLeaf))
        {
            CpuidRegisters features = entry.Registers;
            bool hidesCet = supervisor.IsEmpty && entry.Answers(7, 0);
            entries.Add(hidesCet ? entry with { Registers = features with { Ecx = features.Ecx & ~ShadowStack, Edx = features.Edx & ~BranchTracking } } : entry);
        }

        uint size = (uint)layout.StandardLengthFor(user);
        Add(0, new CpuidRegisters((uint)user.Bits, size, size, (uint)(user.Bits >> 32)));
        uint features1 = supported.Read(CpuidTable.XsaveLeaf, 1).Eax | (user.Contains(StateComponent.TileData) ? host.Record.Cpuid.Read(CpuidTable.XsaveLeaf, 1).Eax & Xfd : 0);
        uint compacted = (features1 & 0b1010) != 0 ? (uint)layout.CompactedLengthFor(user | supervisor) : 0;
        Add(1, new CpuidRegisters(features1, compacted, (uint)supervisor.Bits, (uint)(supervisor.Bits >> 32)));
        foreach (StateComponent component in user | supervisor)
        {
            if (layout.TryGetSlot(component, out XsaveSlot slot))
            {
                uint flags = (slot.IsSupervisor ? 1u : 0) | (slot.IsAligned64 ? 2u : 0) | (slot.SupportsXfd ? 4u : 0);
                Add((uint)component, new CpuidRegisters((uint)slot.Size, (uint)slot.Offset, flags, 0));
            }
        }

        return new CpuidTable(entries.ToImmutable());

        void Add(uint subleaf, CpuidRegisters registers) => entries.Add(new CpuidEntry(CpuidTable.XsaveLeaf, subleaf, SubleafSignificant: true, registers));
    }
}
