using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Lint;
using Xstate.Reports;
using Xstate.Tests.Artifacts;
using Xstate.Tests.Support;

namespace Xstate.Tests.Lint;

public class LintViewTests
{
    [Theory]
    [InlineData("cpuid-r", LintView.BareMetal)]
    [InlineData("kcpuid", LintView.BareMetal)]
    [InlineData("kernel-log", LintView.Guest)]
    [InlineData("cpuid-json", LintView.Kvm)]
    [InlineData("xen-cpuid", LintView.BareMetal, LintView.Guest)]
    [InlineData("vbox-log", LintView.BareMetal, LintView.Guest)]
    [InlineData("vmware-log", LintView.BareMetal, LintView.Guest)]
    public void The_format_says_what_a_table_is(string format, params LintView[] views)
    {
        CpuidTable table = SampleHosts.Cpuid("intel-icelake");
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(PastedSamples.Of(format, table, table))));
        LintContext nothing = new() { View = LintView.None };
        Assert.Equal(views, LintTarget.Of(artifact, nothing).Select(target => target.Context.View));
        LintContext given = new() { View = LintView.Tdx };
        Assert.All(LintTarget.Of(artifact, given), target => Assert.Equal(LintView.Tdx, target.Context.View));
    }
}
