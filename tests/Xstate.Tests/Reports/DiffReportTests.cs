using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Reports;

namespace Xstate.Tests.Reports;

public class DiffReportTests
{
    [Fact]
    public void Model_specific_registers_of_virtual_machines_are_named_in_text()
    {
        using StringWriter text = new();
        DiffReport.WriteText(text, Side(1, 0x6A0, 0x6A2), Side(3, 0x6A0, 0x12_3456),
            CaptureComparison.Compare(Side(1, 0x6A0, 0x6A2).Capture, Side(3, 0x6A0, 0x12_3456).Capture));
        string report = text.ToString();
        Assert.Contains("  msr 0x6a0 ia32_u_cet a 0x1, b 0x3\n", report, StringComparison.Ordinal);
        Assert.Contains("msr 0x6a2 ia32_s_cet (only in a)", report, StringComparison.Ordinal);

        // One that has no name keeps its number.
        Assert.Contains("msr 0x123456 (only in b)", report, StringComparison.Ordinal);
    }

    private static DiffSide Side(ulong value, params uint[] indices)
    {
        byte[] area = new byte[576];
        area[512] = 3;
        CapturedState state = new()
        {
            Id = 0,
            Area = area,
            Layout = new Fact<XsaveLayout>(LayoutFamily.All[0].Layout.Restrict(StateComponentSet.Legacy), FactSource.Given, "test"),
            Msrs = indices.ToImmutableSortedDictionary(index => index, _ => value)
        };
        return new DiffSide("f", new Capture { Format = "test", Kind = CaptureKind.VirtualMachine, States = [state] }, []);
    }
}
