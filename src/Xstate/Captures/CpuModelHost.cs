using System.Diagnostics.CodeAnalysis;
using Xstate.Architecture;

namespace Xstate.Captures;

/// <summary>
/// A CPU model as a host: its names tell which components guests get, a CPUID table that the user vouches for tells where they lie. Neither
/// alone is enough, and neither is stretched: what the names leave open, or the processor lacks, is an obstacle.
/// </summary>
internal static class CpuModelHost
{
    /// <summary>The host of a model on a processor.</summary>
    /// <param name="model">Which components there are.</param>
    /// <param name="processor">Where they are.</param>
    /// <param name="processorName">Where the processor's table came from.</param>
    /// <param name="host">The host.</param>
    /// <param name="obstacle">Why there is none.</param>
    public static bool TryCreate(CpuModel model, CpuidTable processor, string processorName, [NotNullWhen(true)] out HostRecord? host,
        out string obstacle)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(processor);
        host = null;
        StateComponentSet components = model.Components.Value & StateComponents.UserComponents;
        StateComponentSet open = model.Undecided & StateComponents.UserComponents & processor.UserComponents;
        StateComponentSet lacking = components.Except(processor.UserComponents);
        if (!open.IsEmpty)
        {
            obstacle = model.Base is { } named
                ? $"{Quotation.Cut(model.Name)} is {Quotation.Cut(named)} with differences, which leaves {open.Describe()} undecided"
                : $"{Quotation.Cut(model.Name)} leaves {open.Describe()} undecided";
            return false;
        }

        if (!lacking.IsEmpty)
        {
            obstacle = $"{Quotation.Cut(model.Name)} has {lacking.Describe()}, which {processorName} lacks";
            return false;
        }

        obstacle = "";
        host = new HostRecord
        {
            Name = model.Name,
            Cpuid = processor,
            SupportedCpuid = Restrict(processor, model.Components.Value),
            Provenance = new Provenance(FactSource.Inferred, $"components of {model.Provenance.Detail}, processor of {processorName}"),
        };
        return true;
    }

    // The processor's CPUID with everything hidden that the model does not have: mask bits, sub-leaves and the features that bring them.
    private static CpuidTable Restrict(CpuidTable processor, StateComponentSet components)
    {
        CpuidTable table = processor;
        StateComponentSet hidden = (processor.UserComponents | processor.SupervisorComponents).Except(components);
        foreach (StateComponent component in hidden)
        {
            if ((int)component > (int)StateComponent.Sse && table.TryRead(CpuidTable.XsaveLeaf, (uint)component, out _))
            {
                table = table.With(CpuidTable.XsaveLeaf, (uint)component, default);
            }

            foreach (CpuidFeature feature in StateComponents.Find(component) is { } info && (int)component > (int)StateComponent.Sse
                ? info.Features : [])
            {
                table = Clear(table, feature.Leaf, feature.Subleaf, feature.Register, 1u << feature.Bit);
            }
        }

        table = Clear(table, CpuidTable.XsaveLeaf, 0, CpuidRegister.Eax, (uint)~components.Bits);
        table = Clear(table, CpuidTable.XsaveLeaf, 0, CpuidRegister.Edx, (uint)(~components.Bits >> 32));
        table = Clear(table, CpuidTable.XsaveLeaf, 1, CpuidRegister.Ecx, (uint)~components.Bits);
        table = Clear(table, CpuidTable.XsaveLeaf, 1, CpuidRegister.Edx, (uint)(~components.Bits >> 32));
        const uint XsaveAndOsxsave = 3u << 26;
        return components.IsEmpty ? Clear(table, 1, 0, CpuidRegister.Ecx, XsaveAndOsxsave) : table;
    }

    private static CpuidTable Clear(CpuidTable table, uint leaf, uint subleaf, CpuidRegister register, uint bits) =>
        table.TryRead(leaf, subleaf, out CpuidRegisters registers)
        ? table.With(leaf, subleaf, registers.With(register, registers[register] & ~bits)) : table;
}
