using Xstate.Architecture;
using Xstate.Linux.Interop;
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
        Assert.SkipUnless(OperatingSystem.IsLinux() && System.Runtime.Intrinsics.X86.X86Base.IsSupported,
            "there is no x86 Linux to execute on");
        bool translated = NativeProcessor.Profile.Has(ProcessorQuirks.XinuseAlwaysOne);
        int count = (int)((translated ? TranslatedCount : FullCount) * Repository.Scale);
        List<ComparisonReport> reports = [];

        // A thread that has used tiles cannot return to where IA32_XFD disables them, so that comes first.
        bool hasTiles = NativeProcessor.Profile.XfdComponents.Contains(StateComponent.TileData);
        Compare(hasTiles ? count / 2 : count, withTiles: false, reports);
        bool withTiles = hasTiles && ProcessPermission.TryRequest(StateComponent.TileData);
        if (withTiles)
        {
            Compare(count / 2, withTiles: true, reports);
        }

        Assert.All(reports, report => Assert.Empty(report.Disagreements));
        Assert.All(reports, report => Assert.InRange(report.Repeated, 0, report.Cases / 100));
        CompareUnderSignals(count / 500, withTiles);
        output.WriteLine($"{reports.Sum(report => report.Cases)} cases on {NativeProcessor.Profile.UserComponents}");
    }

    // A second signal on the alternate stack of a thread with tiles would end the process.
    private ComparisonReport CompareUnderSignals(int count, bool withTiles)
    {
        ReturnHandler.Install(NativeCodeCalls.SigUsr2);
        nint prober = 0;
        long sent = 0;
        Task<ComparisonReport> comparison = OnItsOwnThread(() =>
        {
            Volatile.Write(ref prober, LibC.syscall(LibC.SYS_gettid, 0, 0));
            SpinWait.SpinUntil(() => Volatile.Read(ref sent) > 0);
            return Run(Seed, count, withTiles);
        });
        while (!comparison.IsCompleted)
        {
            nint target = Volatile.Read(ref prober);
            if (target != 0 && LibC.syscall(LibC.SYS_tgkill, Environment.ProcessId, target, NativeCodeCalls.SigUsr2) == 0)
            {
                Volatile.Write(ref sent, sent + 1);
            }
        }

        ComparisonReport report = comparison.GetAwaiter().GetResult();
        output.WriteLine($"{sent} signals sent during {report.Cases} cases{(withTiles ? " with tiles" : "")}, {report.Repeated} repeated");
        Assert.Empty(report.Disagreements);
        Assert.InRange(report.Repeated, 0, Math.Max(1, report.Cases / 100));
        return report;
    }

    private void Compare(int count, bool withTiles, List<ComparisonReport> all)
    {
        int threads = Math.Min(Environment.ProcessorCount, 4);
        ComparisonReport[] reports =
            [.. Enumerable.Range(0, threads).Select(thread => OnItsOwnThread(() => Run(Seed + (ulong)thread, count / threads, withTiles)))
                .ToArray().Select(task => task.GetAwaiter().GetResult())];
        all.AddRange(reports);
        foreach (ComparisonReport report in reports)
        {
            output.WriteLine(
                $"{report.Cases} cases compared{(withTiles ? " with tiles" : "")}, {report.Faults} of them faults, {report.Repeated} "
                + $"repeated:");
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

    private static ComparisonReport Run(ulong seed, int count, bool withTiles)
    {
        using ProcessorComparison comparison = new(seed, withTiles: withTiles);
        return comparison.Run(count);
    }

    // A thread that has used tiles has large signal frames for the rest of its life: none of the pool's shall have them.
    private static Task<ComparisonReport> OnItsOwnThread(Func<ComparisonReport> function) =>
        Task.Factory.StartNew(function, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
}
