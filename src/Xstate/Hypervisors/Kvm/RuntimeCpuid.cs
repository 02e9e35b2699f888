using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Hypervisors.Kvm;

/// <summary>
/// The CPUID fields that KVM keeps up to date itself (<c>kvm_update_cpuid_runtime</c>): they follow the guest's registers instead of what user space said. 0xD.0 ECX and the sub-leaves from 2
/// on are never rewritten.
/// </summary>
internal static class RuntimeCpuid
{
    private const uint Osxsave = 1u << 27;
    private const uint Apic = 1u << 9;
    private const uint Ospke = 1u << 4;
    private const uint XsavecOrXsaves = 0b1010;

    /// <summary>The table as the guest sees it now. The local APIC is enabled from creation on.</summary>
    public static CpuidTable Of(CpuidTable table, Cr4 cr4, StateComponentSet xcr0, StateComponentSet xss, XsaveLayout host)
    {
        uint osxsave = (cr4 & Cr4.OsXsave) != Cr4.None ? Osxsave : 0;
        uint ospke = (cr4 & Cr4.ProtectionKeys) != Cr4.None ? Ospke : 0;
        for (int i = 0; i < table.Entries.Length; i++)
        {
            // The kernel takes the first entry of leaf 1, whatever its sub-leaf.
            if (table.Entries[i].Leaf == 1)
            {
                CpuidRegisters signature = table.Entries[i].Registers;
                table = new CpuidTable(table.Entries.SetItem(
                    i, table.Entries[i] with { Registers = signature with { Ecx = signature.Ecx & ~Osxsave | osxsave, Edx = signature.Edx | Apic } }));
                break;
            }
        }

        if (table.TryRead(7, 0, out CpuidRegisters extended))
        {
            table = table.With(7, 0, extended with { Ecx = extended.Ecx & ~Ospke | ospke });
        }

        if (table.TryRead(CpuidTable.XsaveLeaf, 0, out CpuidRegisters sizes))
        {
            table = table.With(CpuidTable.XsaveLeaf, 0, sizes with { Ebx = (uint)host.StandardLengthFor(xcr0) });
        }

        return table.TryRead(CpuidTable.XsaveLeaf, 1, out CpuidRegisters features) && (features.Eax & XsavecOrXsaves) != 0
            ? table.With(CpuidTable.XsaveLeaf, 1, features with { Ebx = (uint)host.CompactedLengthFor(xcr0 | xss) })
            : table;
    }
}
