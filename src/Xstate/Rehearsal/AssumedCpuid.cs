using System.Runtime.CompilerServices;
using Xstate.Architecture;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;

namespace Xstate.Rehearsal;

/// <summary>CPUID of a guest of which only the components are assumed: the rest is what the target's KVM supports.</summary>
internal static class AssumedCpuid
{
    private static readonly ConditionalWeakTable<LinuxHost, CpuidTable> Supported = [];

    /// <summary>What KVM_GET_SUPPORTED_CPUID answers on a host to a process that has asked for nothing.</summary>
    public static CpuidTable SupportedBy(LinuxHost host) =>
        Supported.GetValue(host, static host => SupportedCpuid.Of(host, host.DefaultUserFeatures));

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

        XsaveLayout layout = XsaveLayout.FromSlots(
            host.Layout.Slots.Concat(writer.Slots.Where(slot => !host.Layout.TryGetSlot(slot.Component, out _))));
        StateComponentSet supervisor = withSupervisor ? supported.SupervisorComponents : StateComponentSet.Empty;
        CpuidTable cpuid = supported.WithComponents(user, supervisor, layout);
        return supervisor.IsEmpty
            ? new CpuidTable([.. cpuid.Entries.Select(entry => entry.Answers(7, 0)
                ? entry with { Registers = WithoutCet(entry.Registers) } : entry)]) : cpuid;
    }

    private static CpuidRegisters WithoutCet(CpuidRegisters features) =>
        CpuidFeatures.CetSs.SetIn(CpuidFeatures.CetIbt.SetIn(features, present: false), present: false);
}
