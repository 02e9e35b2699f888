using System.Diagnostics;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Lint;

namespace Xstate.Benchmarks.Lint;

/// <summary>
/// What linting a table costs in memory copies of the table: short batches of both in turn, and the least of each, so that what else runs
/// on the machine falls out. The promise is at most 300.
/// </summary>
internal static class LintRatio
{
    private const int Batch = 50;
    private const int Rounds = 4_000;

    public static void Write(TextWriter output, IEnumerable<string> files)
    {
        output.WriteLine("| host | entries | findings | lint ns | copy ns | lint/copy |");
        output.WriteLine("|---|---:|---:|---:|---:|---:|");
        foreach (string file in files)
        {
            using FileStream stream = File.OpenRead(file);
            CpuidTable table = Artifact.Open(stream).Host!.Cpuid;
            int findings = CpuidLint.Check(table, LintContext.BareMetal).Length;
            CpuidEntry[] copy = new CpuidEntry[table.Entries.Length];
            double lint = double.MaxValue;
            double copied = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
            {
                lint = Math.Min(lint, Time(() => CpuidLint.Check(table, LintContext.BareMetal)));
                copied = Math.Min(copied, Time(() => table.Entries.CopyTo(copy)));
            }

            output.WriteLine(
                $"| {Path.GetFileNameWithoutExtension(file)} | {copy.Length} | {findings} | {lint:F0} | {copied:F1} | {lint / copied:F0} "
                + $"|");
        }
    }

    private static double Time(Action action)
    {
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Batch; i++)
        {
            action();
        }

        return Stopwatch.GetElapsedTime(start).TotalNanoseconds / Batch;
    }
}
