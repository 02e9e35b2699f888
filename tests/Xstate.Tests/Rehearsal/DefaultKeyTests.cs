using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Tests.Rehearsal;

public class DefaultKeyTests
{
    private const int PkruOffset = 2688;
    private static readonly CapturedState Closed = Thread(0x5555_5555);

    [Theory]
    [InlineData(0x5555_5554u, 0)]
    [InlineData(0u, 0)]
    [InlineData(0xFFFF_FFFCu, 0)]
    [InlineData(1u, 1)]
    [InlineData(2u, 1)]
    [InlineData(3u, 1)]
    public void Bits_0_and_1_are_key_0(uint pkru, int findings) => Assert.Equal(findings, DefaultKey.Check(Thread(pkru)).Length);

    [Fact]
    public void The_place_of_PKRU_is_told()
    {
        Finding finding = Assert.Single(DefaultKey.Check(Closed));
        Assert.Equal(new FindingLocation(7, PkruOffset, Register: "pkru"), finding.Where);
        Assert.Equal(("0x55555555", "bits 0 and 1 clear"), (finding.Found, finding.Expected));
    }

    [Fact]
    public void Nothing_is_said_of_a_PKRU_that_is_initial_lost_or_at_a_guessed_place()
    {
        byte[] initial = Closed.Area.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(initial.AsSpan(XsaveFormat.XstateBvOffset), 7);
        Assert.Empty(DefaultKey.Check(Closed with { Area = initial }));
        Assert.Empty(DefaultKey.Check(Closed with { Lost = [new AreaRange(PkruOffset, 4)] }));
        Assert.Empty(DefaultKey.Check(Closed with { Layout = new Fact<XsaveLayout>(Closed.Layout!.Value, FactSource.Guess, "a test's") }));
        Assert.Empty(DefaultKey.Check(Closed with { Layout = null }));
        Assert.Empty(DefaultKey.Check(Closed with
        {
            Layout = new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Cpuid,
            "a test's")
        }));
        Assert.Single(DefaultKey.Check(Closed with { Lost = [new AreaRange(XsaveFormat.XmmOffset, 16)] }));
    }

    [Theory]
    [InlineData(CaptureKind.Process, 1)]
    [InlineData(CaptureKind.VirtualMachine, 0)]
    public void Show_says_it_of_threads_and_not_of_virtual_CPUs(CaptureKind kind, int expected)
    {
        Capture capture = new() { Format = "test", Kind = kind, States = [Closed] };
        StringWriter text = new();
        ShowReport.WriteText(text, capture, ShowOptions.Default);
        Assert.Equal(expected, text.ToString().Split("XS1304").Length - 1);
        using MemoryStream json = new();
        ShowReport.WriteJson(json, capture);
        Assert.Equal(expected, System.Text.Encoding.UTF8.GetString(json.ToArray()).Split("XS1304").Length - 1);
    }

    [Fact]
    public void A_rehearsed_restore_of_a_process_says_it()
    {
        Capture capture = new() { Format = "test", Kind = CaptureKind.Process, States = [Closed] };
        LinuxHost host = RegisterWriteTests.Host("6.12");
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host);
        Assert.Equal(Verdict.Same, outcome.Verdict);
        Assert.Single(outcome.Findings, finding => finding.Rule.Id == "XS1304");
    }

    private static CapturedState Thread(uint pkru)
    {
        LinuxHost host = RegisterWriteTests.Host("6.12");
        byte[] area = new byte[2696];
        BinaryPrimitives.WriteUInt16LittleEndian(area.AsSpan(XsaveFormat.FcwOffset), XsaveFormat.InitialFcw);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), 0x207);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(PkruOffset), pkru);
        return new CapturedState { Id = 7, Area = area, Layout = RegisterWriteTests.Layout(host) };
    }
}
