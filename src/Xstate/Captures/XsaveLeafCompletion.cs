using System.Diagnostics.CodeAnalysis;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// Completes what a CPUID lacks of leaf 0xD from the dump of another processor that the user vouches for. Nothing is taken where the two
/// contradict each other, and what was taken is told.
/// </summary>
internal static class XsaveLeafCompletion
{
    /// <summary>
    /// User components whose place in the area the table announces without telling it, as far as their feature is there: EPYC Rome
    /// announces PKRU without PKU, and Linux passes over it.
    /// </summary>
    public static StateComponentSet MissingPlaces(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        StateComponentSet missing = StateComponentSet.Empty;
        foreach (StateComponent component in XsaveLayout.FromCpuid(cpuid).MissingComponents & StateComponents.UserComponents)
        {
            if (StateComponents.Get(component).IsAnnouncedBy(cpuid))
            {
                missing = missing.With(component);
            }
        }

        return missing;
    }

    /// <summary>Whether leaf 1 announces XSAVE and leaf 0xD.0 does not even tell the components.</summary>
    public static bool LacksMask(CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        return cpuid.Has(CpuidFeatures.Xsave) && cpuid.UserComponents.IsEmpty;
    }

    /// <summary>What a table lacks of leaf 0xD, as the end of a sentence that begins with its name; null for nothing.</summary>
    public static string? LackOf(CpuidTable cpuid)
    {
        if (LacksMask(cpuid))
        {
            return "announces XSAVE and does not tell leaf 0xd";
        }

        StateComponentSet missing = MissingPlaces(cpuid);
        return missing.IsEmpty ? null : $"does not tell where {missing.Describe()} lie: "
            + string.Join(", ", missing.Select(component => $"leaf {CpuidLeaves.PlaceOf(CpuidTable.XsaveLeaf, (uint)component)}"))
            + " missing or empty";
    }

    /// <summary>Completes leaf 0xD.</summary>
    /// <param name="cpuid">The table that lacks something.</param>
    /// <param name="donor">A table that has it.</param>
    /// <param name="completed">The completed table.</param>
    /// <param name="account">What was taken, or why nothing could be.</param>
    public static bool TryComplete(CpuidTable cpuid, CpuidTable donor, [NotNullWhen(true)] out CpuidTable? completed, out string account)
    {
        ArgumentNullException.ThrowIfNull(cpuid);
        ArgumentNullException.ThrowIfNull(donor);
        completed = null;
        XsaveLayout there = XsaveLayout.FromCpuid(donor);
        foreach (XsaveSlot here in XsaveLayout.FromCpuid(cpuid).Slots)
        {
            if (there.TryGetSlot(here.Component, out XsaveSlot other) && (other.Offset, other.Size) != (here.Offset, here.Size))
            {
                account = $"it has another layout: {StateComponents.NameOf(here.Component)} is {other.Size} bytes at {other.Offset} "
                    + $"there and {here.Size} bytes at {here.Offset} here";
                return false;
            }
        }

        return LacksMask(cpuid) ? TryTakeLeaf(cpuid, donor, out completed, out account) : TryTakeSubleaves(cpuid, donor, there,
            out completed, out account);
    }

    // The mask of the donor, without components whose feature this processor does not have.
    private static bool TryTakeLeaf(CpuidTable cpuid, CpuidTable donor, [NotNullWhen(true)] out CpuidTable? completed, out string account)
    {
        completed = null;
        StateComponentSet components = StateComponentSet.Legacy;
        foreach (StateComponent component in donor.UserComponents & StateComponents.UserComponents)
        {
            if (StateComponents.Get(component).IsAnnouncedBy(cpuid))
            {
                components = components.With(component);
            }
        }

        if (donor.UserComponents.IsEmpty)
        {
            account = "it has no leaf 0xd either";
            return false;
        }

        CpuidTable table = new([.. cpuid.Entries.Where(entry => entry.Leaf != CpuidTable.XsaveLeaf),
            .. donor.Entries.Where(entry => entry.Leaf == CpuidTable.XsaveLeaf)]);
        CpuidRegisters mask = donor.Read(CpuidTable.XsaveLeaf, 0);
        uint size = (uint)XsaveLayout.FromCpuid(donor).StandardLengthFor(components);
        completed = table.With(CpuidTable.XsaveLeaf, 0,
            mask with { Eax = (uint)components.Bits, Ecx = size, Edx = (uint)(components.Bits >> 32) });
        account = $"leaf 0xd, for the components whose features the processor has: {components.Describe()}";
        return true;
    }

    private static bool TryTakeSubleaves(CpuidTable cpuid, CpuidTable donor, XsaveLayout there,
        [NotNullWhen(true)] out CpuidTable? completed, out string account)
    {
        completed = null;
        CpuidTable table = cpuid;
        List<string> taken = [];
        foreach (StateComponent component in MissingPlaces(cpuid))
        {
            if (!there.TryGetSlot(component, out _))
            {
                account = $"it does not tell where {StateComponents.NameOf(component)} is either";
                return false;
            }

            table = table.With(CpuidTable.XsaveLeaf, (uint)component, donor.Read(CpuidTable.XsaveLeaf, (uint)component));
            taken.Add(StateComponents.NameOf(component));
        }

        completed = table;
        account = $"the sub-leaves of {string.Join(", ", taken)} in leaf 0xd";
        return true;
    }
}
