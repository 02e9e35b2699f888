using Xstate.Architecture;

namespace Xstate.Lint;

/// <summary>One register that a mend changed.</summary>
/// <param name="Place">Leaf, sub-leaf and register.</param>
/// <param name="Before">Its value before; 0 for an answer that was not there.</param>
/// <param name="After">Its value after.</param>
internal sealed record CpuidChange(LintPlace Place, uint Before, uint After)
{
    /// <summary>The registers that differ between two tables, by the order of the second.</summary>
    public static IEnumerable<CpuidChange> Between(CpuidTable before, CpuidTable after)
    {
        ArgumentNullException.ThrowIfNull(before);
        ArgumentNullException.ThrowIfNull(after);
        foreach (CpuidEntry entry in after.Entries)
        {
            CpuidRegisters old = before.Read(entry.Leaf, entry.Subleaf);
            foreach (CpuidRegister register in (CpuidRegister[])[CpuidRegister.Eax, CpuidRegister.Ebx, CpuidRegister.Ecx,
                CpuidRegister.Edx])
            {
                if (old[register] != entry.Registers[register])
                {
                    yield return new CpuidChange(new LintPlace(entry.Leaf, entry.Subleaf, register), old[register],
                        entry.Registers[register]);
                }
            }
        }
    }
}
