using Xstate.Architecture;
using Xstate.Linux.NativeCode;
using Xstate.Processor;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Processor;

public class ProcessorComparisonTests(ITestOutputHelper output)
{
    private const ulong Seed = 20240607;
    private const int FullCount = 1_000_000;

    // Where QEMU translates every instruction, a case takes about half a millisecond.
    private const int TranslatedCount = 160_000;

    [Fact]
    public void The_model_and_this_processor_agree_on_every_byte_register_and_fault()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux() && System.Runtime.Intrinsics.X86.X86Base.IsSupported, "there is no x86 Linux to execute on");
        bool translated = NativeProcessor.Profile.Has(ProcessorQuirks.XinuseAlwaysOne);
        int count = (int)((translated ? TranslatedCount : FullCount) * Repository.Scale);
        List<ComparisonReport> reports = [];

        // A thread that has used tiles cannot return to where IA32_XFD disables them, so that comes first.
        bool hasTiles = NativeProcessor.Profile.XfdComponents.Contains(StateComponent.TileData);
        Compare(hasTiles ? count / 2 : count, withTiles: false, reports);
        if (hasTiles && OperatingSystem.IsLinux() && ProcessPermission.TryRequest(StateComponent.TileData))
        {
            Compare(count / 2, withTiles: true, reports);
        }

        Assert.All(reports, report => Assert.Empty(report.Disagreements));
        Assert.All(reports, report => Assert.InRange(report.Repeated, 0, report.Cases / 100));
        output.WriteLine($"{reports.Sum(report => report.Cases)} cases on {NativeProcessor.Profile.UserComponents}");
    }

    private void Compare(int count, bool withTiles, List<ComparisonReport> all)
    {
        int threads = Math.Min(Environment.ProcessorCount, 4);
        ComparisonReport[] reports = new ComparisonReport[threads];
        Parallel.For(0, threads, thread =>
        {
            if (OperatingSystem.IsLinux())
            {
                using ProcessorComparison comparison = new(Seed + (ulong)thread, withTiles: withTiles);
                reports[thread] = comparison.Run(count / threads);
            }
        });

        all.AddRange(reports);
        foreach (ComparisonReport report in reports)
        {
            output.WriteLine($"{report.Cases} cases compared{(withTiles ? " with tiles" : "")}, {report.Faults} of them faults, {report.Repeated} repeated:");
            foreach ((string instruction, int cases) in report.ByInstruction)
            {
                output.WriteLine($"  {cases,8} {instruction}");
            }

            foreach (string difference in report.Disagreements)
            {
                output.WriteLine(difference);
            }
        }
    }
}
