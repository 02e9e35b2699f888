using System.Buffers.Binary;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Reports;
using Xstate.Tests.Processor;

namespace Xstate.Tests.Reports;

/// <summary>
/// HDC and HWP do not start with zeros (SDM Vol. 1, 13.6): what only looks changed is counted as initial, and a zero is a value of its own.
/// </summary>
public class SupervisorValuesTests
{
    private const string Pm = "ia32_pm_ctl1";
    private const string Request = "ia32_hwp_request";
    private const ulong InitialPm = 1;
    private const ulong InitialRequest = 0x8000_FF01;

    private static readonly StateComponentSet Compacted = new(0x12007);
    private static readonly XsaveLayout Layout = XsaveLayout.FromCpuid(TestProcessors.EverySupervisorComponent.Cpuid);

    [Theory]
    [InlineData(InitialPm, InitialRequest, false, false)]
    [InlineData(0, InitialRequest, true, false)]
    [InlineData(InitialPm, 0, false, true)]
    [InlineData(0, 0, true, true)]
    [InlineData(0, 0x8000_FF00, true, true)]
    [InlineData(InitialPm, 0x0000_0001, false, true)]
    public void A_stored_value_is_shown_unless_it_is_the_initial_one(ulong pm, ulong request, bool showsPm, bool showsRequest)
    {
        Capture capture = Of(Compacted, pm, request);
        string text = Text(capture, ShowOptions.Default);
        Assert.Equal(showsPm, text.Contains(Pm, StringComparison.Ordinal));
        Assert.Equal(showsRequest, text.Contains(Request, StringComparison.Ordinal));
        string all = Text(capture, ShowOptions.Default with { All = true });
        Assert.Contains(Pm, all, StringComparison.Ordinal);
        Assert.Contains(Request, all, StringComparison.Ordinal);
        JsonElement registers = Registers(capture);
        Assert.Equal((Hex(pm), Hex(request)), (registers.GetProperty(Pm).GetString(), registers.GetProperty(Request).GetString()));
    }

    [Theory]
    [InlineData(0x10007, InitialPm, 0x55)]
    [InlineData(0x2007, 0, InitialRequest)]
    [InlineData(0x7, InitialPm, InitialRequest)]
    public void A_component_whose_bit_is_clear_has_its_initial_value_whatever_lies_in_the_area(ulong live, ulong pm, ulong request)
    {
        CapturedState state = Of(new StateComponentSet(live), 0, 0x55).States[0];
        Dictionary<string, string> registers = RegisterDump.Of(state, Compacted)
            .ToDictionary(register => register.Name, register => register.Text);
        Assert.Equal((Hex(pm), Hex(request)), (registers[Pm], registers[Request]));
    }

    private static Capture Of(StateComponentSet live, ulong pm, ulong request)
    {
        byte[] area = new byte[Layout.CompactedLengthFor(Compacted)];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), live.Bits);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XcompBvOffset), XsaveFormat.CompactedFlag | Compacted.Bits);
        foreach ((StateComponent component, ulong value) in new[] { (StateComponent.Hdc, pm), (StateComponent.Hwp, request) })
        {
            Assert.True(Layout.TryLocate(component, XsaveFormat.CompactedFlag | Compacted.Bits, area.Length, out int offset, out _));
            BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(offset), value);
        }

        return new Capture
        {
            Format = "test",
            Kind = CaptureKind.VirtualMachine,
            States = [new CapturedState { Id = 0, Area = area, Layout = new Fact<XsaveLayout>(Layout, FactSource.Given, "test") }],
        };
    }

    private static string Text(Capture capture, ShowOptions options)
    {
        StringWriter text = new();
        ShowReport.WriteText(text, capture, options);
        return text.ToString();
    }

    private static JsonElement Registers(Capture capture)
    {
        MemoryStream json = new();
        ShowReport.WriteJson(json, capture);
        return JsonDocument.Parse(json.ToArray()).RootElement.GetProperty("vcpus")[0].GetProperty("registers");
    }

    private static string Hex(ulong value) => $"0x{value:x}";
}
