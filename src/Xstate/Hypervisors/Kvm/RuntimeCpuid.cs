using Xstate.Architecture;
using Xstate.Hypervisors.Linux;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// The CPUID fields that KVM keeps up to date itself (<c>kvm_update_cpuid_runtime</c>): they follow the guest's registers instead of what
/// user space said. 0xD.0 ECX and the sub-leaves from 2 on are never rewritten.
/// </summary>
internal static class RuntimeCpuid
{
    /// <summary>The table as the guest sees it now. The local APIC is enabled from creation on.</summary>
    public static CpuidTable Of(CpuidTable table, Cr4 cr4, StateComponentSet xcr0, StateComponentSet xss, LinuxHost host)
    {
        for (int i = 0; i < table.Entries.Length; i++)
        {
            if (table.Entries[i].Leaf == 1 && (table.Entries[i].Answers(1, 0) || !host.Behavior.Has(KernelDifference.KvmCpuidIndex)))
            {
                CpuidRegisters features = CpuidFeatures.Osxsave.SetIn(table.Entries[i].Registers, (cr4 & Cr4.OsXsave) != Cr4.None);
                table = new CpuidTable(table.Entries.SetItem(i,
                    table.Entries[i] with { Registers = CpuidFeatures.Apic.SetIn(features, present: true) }));
                break;
            }
        }

        if (table.TryRead(7, 0, out CpuidRegisters extended))
        {
            table = table.With(7, 0, CpuidFeatures.Ospke.SetIn(extended, (cr4 & Cr4.ProtectionKeys) != Cr4.None));
        }

        if (table.TryRead(CpuidTable.XsaveLeaf, 0, out CpuidRegisters sizes))
        {
            table = table.With(CpuidTable.XsaveLeaf, 0, sizes with { Ebx = (uint)host.Layout.StandardLengthFor(xcr0) });
        }

        return table.Has(CpuidFeatures.Xsavec) || table.Has(CpuidFeatures.Xsaves)
            ? table.With(CpuidTable.XsaveLeaf, 1,
                table.Read(CpuidTable.XsaveLeaf, 1) with { Ebx = (uint)host.Layout.CompactedLengthFor(xcr0 | xss) })
            : table;
    }
}
