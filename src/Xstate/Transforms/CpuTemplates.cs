using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>What became of a CPUID under a template.</summary>
/// <param name="Cpuid">The table with every change that could be made.</param>
/// <param name="Findings">Changes that could not: answers that the table does not have. A monitor refuses the whole template then.</param>
internal sealed record TemplatedCpuid(CpuidTable Cpuid, ImmutableArray<Finding> Findings);

/// <summary>Applies CPU templates to CPUID tables.</summary>
internal static class CpuTemplates
{
    /// <summary>
    /// The table as the template makes it. Nothing follows from a changed bit: a mask in 0xD.0 that lost components keeps the size in ECX
    /// and the sub-leaves that it had, as the guest then sees them.
    /// </summary>
    public static TemplatedCpuid Apply(CpuTemplate template, CpuidTable cpuid)
    {
        ArgumentNullException.ThrowIfNull(template);
        ArgumentNullException.ThrowIfNull(cpuid);
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        foreach (CpuidModifier modifier in template.Cpuid)
        {
            if (cpuid.TryRead(modifier.Leaf, modifier.Subleaf, out CpuidRegisters registers))
            {
                uint value = modifier.ApplyTo(registers[modifier.Register]);
                cpuid = cpuid.With(modifier.Leaf, modifier.Subleaf, registers.With(modifier.Register, value));
            }
            else if (!findings.Any(finding => finding.Where.Leaf == LeafOf(modifier)))
            {
                FindingLocation where = new(Leaf: LeafOf(modifier));
                findings.Add(Rules.TemplateLeafAbsent.At(where, $"the template changes {where.Leaf}, which this CPUID does not have"));
            }
        }

        return new TemplatedCpuid(cpuid, findings.ToImmutable());
    }

    private static string LeafOf(CpuidModifier modifier) => CpuidLeaves.PlaceOf(modifier.Leaf, modifier.Subleaf);
}
