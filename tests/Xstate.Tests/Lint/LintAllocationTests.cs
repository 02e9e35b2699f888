using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Lint;
using Xstate.Tests.Support;

namespace Xstate.Tests.Lint;

/// <summary>A monitor that lints each CPUID before a guest sees it pays nothing for one that is consistent.</summary>
public class LintAllocationTests
{
    [Theory]
    [InlineData(LintView.BareMetal)]
    [InlineData(LintView.Kvm)]
    public void Nothing_is_allocated_while_nothing_is_found(LintView view)
    {
        LintContext context = new() { View = view };
        CpuidTable[] clean = [.. SampleHosts.Names.Select(SampleHosts.Cpuid).Where(table => CpuidLint.Check(table, context).IsEmpty)];
        TestContext.Current.TestOutputHelper?.WriteLine($"{clean.Length} of {SampleHosts.Names.Length} hosts are without a finding");
        Assert.True(clean.Length >= 3);
        foreach (CpuidTable table in clean)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            ImmutableArray<LintFinding> findings = CpuidLint.Check(table, context);
            Assert.Equal((true, 0L), (findings.IsEmpty, GC.GetAllocatedBytesForCurrentThread() - before));
        }
    }
}
