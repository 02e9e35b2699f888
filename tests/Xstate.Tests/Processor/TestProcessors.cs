using Xstate.Architecture;
using Xstate.Processor;

namespace Xstate.Tests.Processor;

/// <summary>Processors that no profile has a name for.</summary>
public static class TestProcessors
{
    /// <summary>Sapphire Rapids with hardware duty cycling, so that every component with a non-zero initial value exists.</summary>
    public static ProcessorProfile EverySupervisorComponent { get; } = ProcessorProfile.FromCpuid(
        AddSupervisor(ProcessorProfiles.IntelSapphireRapids.Cpuid, StateComponent.Hdc, 8), "spr+hdc");

    /// <summary>An Intel processor that offers exactly the given user components, one behind the other.</summary>
    public static ProcessorProfile WithUserComponents(StateComponentSet components, bool xsaves = true)
    {
        CpuidTable table = CpuidTable.Empty
            .With(0, 0, new CpuidRegisters(0x1E, 0x756E_6547, 0x6C65_746E, 0x4965_6E69))
            .With(1, 0, new CpuidRegisters(0x000C_06F8, 0, 1 << 26, 1 | 1 << 24 | 1 << 25))
            .With(7, 0, new CpuidRegisters(0, 1 << 13, 1 << 3, 0))
            .With(CpuidTable.XsaveLeaf, 0, new CpuidRegisters((uint)components.Bits, 576, 0, (uint)(components.Bits >> 32)))
            .With(CpuidTable.XsaveLeaf, 1, new CpuidRegisters(xsaves ? 0xFU : 7, 0, 0, 0));
        int offset = XsaveFormat.ExtendedOffset;
        foreach (StateComponent component in components.Except(StateComponentSet.Legacy))
        {
            int size = StateComponents.Find(component)?.Size ?? 64;
            table = table.With(CpuidTable.XsaveLeaf, (uint)component, new CpuidRegisters((uint)size, (uint)offset, 0, 0));
            offset += size;
        }

        return ProcessorProfile.FromCpuid(table, "test");
    }

    /// <summary>The same CPUID with one more supervisor component.</summary>
    public static CpuidTable AddSupervisor(CpuidTable cpuid, StateComponent component, int size)
    {
        CpuidRegisters leaf1 = cpuid.Read(CpuidTable.XsaveLeaf, 1);
        return cpuid
            .With(CpuidTable.XsaveLeaf, 1, leaf1 with { Ecx = leaf1.Ecx | 1U << (int)component })
            .With(CpuidTable.XsaveLeaf, (uint)component, new CpuidRegisters((uint)size, 0, 1, 0));
    }
}
