using System.Text.Json;
using Xstate.Architecture;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>CPUID enumerations that break a condition.</summary>
internal static class EnumerationVectors
{
    public static void Check(JsonElement description, JsonElement expect)
    {
        CpuidTable table = Table(description);
        StateComponentSet xcr0 = new(description.Number("xcr0", 1));
        StateComponentSet xss = new(description.Number("xss"));

        string[] broken = [.. XsaveEnumerationRules.Broken(table, xcr0, xss).Select(rule => rule.Id)];

        Assert.All(expect.GetProperty("violations_include").EnumerateArray(), rule => Assert.Contains(rule.GetString()!, broken));
    }

    private static CpuidTable Table(JsonElement description)
    {
        uint leaf1 = (uint)(description.Number("leaf1_ecx_xsave") << 26 | description.Number("leaf1_ecx_avx") << 28);
        CpuidTable table = CpuidTable.Empty
            .With(1, 0, new CpuidRegisters(0, 0, leaf1, 0))
            .With(7, 0, new CpuidRegisters(0, 0, (uint)description.Number("leaf7_ecx_pku") << 3, 0))
            .With(CpuidTable.XsaveLeaf, 0, new CpuidRegisters((uint)description.Number("d0_eax"), 0, (uint)description.Number("d0_ecx"), 0))
            .With(
                CpuidTable.XsaveLeaf,
                1,
                new CpuidRegisters((uint)description.Number("d1_eax"), (uint)description.Number("d1_ebx"),
                    (uint)description.Number("d1_ecx"), 0));
        XsaveLayout layout = description.Text("layout") switch
        {
            "" or "skx+apx" => XsaveLayout.LegacyOnly,
            string name => VectorLayouts.Get(name),
        };
        foreach (XsaveSlot slot in layout.Slots)
        {
            uint flags = (slot.IsSupervisor ? 1U : 0) | (slot.IsAligned64 ? 2U : 0) | (slot.SupportsXfd ? 4U : 0);
            table = table.With(CpuidTable.XsaveLeaf, (uint)slot.Component,
                new CpuidRegisters((uint)slot.Size, (uint)slot.Offset, flags, 0));
        }

        return table;
    }
}
