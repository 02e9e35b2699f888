using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Reports;
using Xstate.Scenarios;
using Xstate.Tests.Support;

namespace Xstate.Tests.Reports;

public class RunReportTests
{
    private static readonly LinuxHost Host = new(SampleHosts.Open("intel-icelake"), KernelBehavior.Of(new KernelRelease(6, 12)));

    [Fact]
    public void An_image_is_shown_as_what_differs_from_the_one_before_it()
    {
        string[] lines = Text("""
            {"name":"images","steps":[
              {"op":"get_xsave"},
              {"op":"get_xsave"},
              {"op":"set_xsave","xstateBv":"0x202","mxcsr":"0x1f80","components":{"pkru":"0c"},"bytes":{"160":"a1a2a3"}},
              {"op":"get_xsave"},
              {"op":"create_vcpu","vcpu":1},
              {"op":"get_xsave","vcpu":1}]}
            """);
        Assert.Equal("images", lines[0]);
        Assert.StartsWith("    0  get_xsave: length 4096 XSTATE_BV 0x0, 0: 7f03; 24: 801f0000ffff; 464: ", lines[1],
            StringComparison.Ordinal);
        Assert.Equal("    1  get_xsave: length 4096 XSTATE_BV 0x0, the same as in step 0", lines[2]);
        Assert.StartsWith("    2  set_xsave xstateBv=0x202 mxcsr=0x1f80 components={\"pkru\":\"0c\"}", lines[3], StringComparison.Ordinal);
        Assert.EndsWith(": ok", lines[3], StringComparison.Ordinal);
        Assert.StartsWith("    3  get_xsave: length 4096 XSTATE_BV 0x2, from step 1: ", lines[4], StringComparison.Ordinal);
        Assert.Contains("160: 000000 → a1a2a3", lines[4], StringComparison.Ordinal);

        // Another virtual CPU has images of its own.
        Assert.DoesNotContain("from step", lines[6], StringComparison.Ordinal);
    }

    [Fact]
    public void A_refusal_says_the_error_the_rule_and_why()
    {
        string[] lines = Text("""{"name":"refused","steps":[{"op":"set_xcrs","xcr0":"0x5"},{"op":"get_xcrs"}]}""");
        Assert.StartsWith("    0  set_xcrs xcr0=0x5: EINVAL (XS0201: ", lines[1], StringComparison.Ordinal);
        Assert.StartsWith("    1  get_xcrs: 1 entries: {", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public void A_long_image_is_cut_and_says_how_much_is_left_out()
    {
        string[] lines = Text("""
            {"name":"long","steps":[
              {"op":"set_xsave","xstateBv":"0x3","mxcsr":"0x1f80","bytes":{"32":"01","48":"01","64":"01","80":"01","96":"01","112":"01","128":"01","160":"0102030405060708090a0b0c0d0e0f101112131415161718"}},
              {"op":"get_xsave"}]}
            """);
        Assert.Matches(@"; and \d+ more places$", lines[2]);
        string[] wide = Text("""
            {"name":"wide","steps":[{"op":"get_xsave"},{"op":"set_xsave","xstateBv":"0x3","mxcsr":"0x1f80","bytes":{"160":"0102030405060708090a0b0c0d0e0f101112131415161718"}},{"op":"get_xsave"}]}
            """);
        Assert.Contains("160: 00000000000000000000000000000000 → 0102030405060708090a0b0c0d0e0f10… (24 bytes)", wide[3],
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_scenario_that_is_skipped_says_what_it_needs()
    {
        Assert.Equal(["tiles: skipped, needs amx_tile"], Text("""{"name":"tiles","needs":["amx_tile"],"steps":[{"op":"get_xsave"}]}"""));
    }

    [Fact]
    public void What_would_steer_a_terminal_is_shown_as_its_number()
    {
        string[] lines = Text("""{"name":"a\u001b[2Jb","steps":[{"op":"get_xcrs"}]}""");
        Assert.Equal("a\\u001b[2Jb", lines[0]);
    }

    private static string[] Text(string json)
    {
        StringWriter text = new();
        foreach (Scenario scenario in ScenarioReader.Read(new StringReader(json)))
        {
            using MemoryStream line = new();
            ScenarioRunner.Run(scenario, new ModelBackend(Host), line);
            RunReport.WriteText(text, scenario, line.ToArray());
        }

        return text.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
    }
}
