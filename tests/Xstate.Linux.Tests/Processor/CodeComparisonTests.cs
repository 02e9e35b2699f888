using Xstate.Cli.GuestCode;
using Xstate.Linux.NativeCode;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Processor;

/// <summary>Ordinary instructions on this machine's processor and on the interpreter of guest code.</summary>
public class CodeComparisonTests(ITestOutputHelper output)
{
    private const ulong Seed = 20261130;
    private const int FullCount = 1_000_000;

    [Fact]
    public void The_interpreter_and_this_processor_agree_on_ordinary_instructions()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && System.Runtime.Intrinsics.X86.X86Base.IsSupported,
            "there is no x86 Linux to execute on");
        Assert.SkipWhen(NativeProcessor.Profile.Has(ProcessorQuirks.XinuseAlwaysOne),
            "QEMU's code generator keeps other flags and pointers than silicon");
        ComparisonReport report = new CodeComparison(Seed, new IcedAssembler(), new IcedDecoder())
            .Run(Math.Max(1000, (int)(FullCount * Repository.Scale)));
        foreach ((string instruction, int cases) in report.ByInstruction)
        {
            output.WriteLine($"  {cases,8} {instruction}");
        }

        output.WriteLine($"{report.Cases} cases compared, {report.Faults} of them faults, {report.Repeated} repeated");
        foreach (string disagreement in report.Disagreements)
        {
            output.WriteLine(disagreement);
        }

        Assert.Empty(report.Disagreements);
        Assert.InRange(report.Repeated, 0, report.Cases / 100);
        Assert.True(report.Faults > 0 && report.ByInstruction.Count > (report.Cases < 50_000 ? 10 : 60));
    }
}
