using System.Diagnostics;
using System.Runtime.Versioning;
using Xstate.Processor;

namespace Xstate.Benchmarks.Processor;

/// <summary>
/// The ratios alone: short batches of the real instruction, the model and the copy in turn, and the least of each. What else runs on the
/// machine interrupts some batches of all three, but not all of them.
/// </summary>
[SupportedOSPlatform("linux")]
internal static class InstructionRatios
{
    private const int Batch = 100;
    private const int Rounds = 5000;
    private const int WarmUps = 20;
    private const int WarmUpRounds = 200;

    // Longer than the runtime waits before it compiles methods for good.
    private static readonly TimeSpan TierDelay = TimeSpan.FromMilliseconds(150);

    public static void Write(TextWriter output)
    {
        output.WriteLine("| registers | instruction | real ns | model ns | copy ns | model/real | model/copy |");
        output.WriteLine("|---|---|---:|---:|---:|---:|---:|");
        foreach (RegisterContents contents in Enum.GetValues<RegisterContents>())
        {
            foreach (StateInstruction instruction in InstructionCase.Instructions64)
            {
                using InstructionCase measured = new(instruction, contents);
                double[] least = Measure(measured);
                output.WriteLine(
                    $"| {contents} | {instruction.ToString().ToUpperInvariant()} | {least[0]:F1} | {least[1]:F1} | {least[2]:F1} "
                    + $"| {least[1] / least[0]:F2} | {least[1] / least[2]:F2} |");
            }
        }
    }

    private static double[] Measure(InstructionCase measured)
    {
        Action[] sides = [() => measured.Real(Batch), () => measured.Model(Batch), () => measured.Copy(Batch)];
        for (int i = 0; i < WarmUps; i++)
        {
            Run(sides, WarmUpRounds);
            Thread.Sleep(TierDelay);
        }

        return Run(sides, Rounds);
    }

    private static double[] Run(Action[] sides, int rounds)
    {
        double[] least = [double.MaxValue, double.MaxValue, double.MaxValue];
        for (int round = 0; round < rounds; round++)
        {
            for (int side = 0; side < sides.Length; side++)
            {
                long start = Stopwatch.GetTimestamp();
                sides[side]();
                least[side] = Math.Min(least[side], Stopwatch.GetElapsedTime(start).TotalNanoseconds / Batch);
            }
        }

        return least;
    }
}
