using System.Globalization;

namespace Xstate.Scenarios;

/// <summary>
/// What the scenarios of one file may use together, so that a small file neither keeps a machine busy nor fills its memory: a part at once,
/// which is enough for a step without an end, and a part for each scenario, so that a large file has what it needs.
/// </summary>
/// <param name="factor">How many times all of it.</param>
/// <param name="clock">
/// Time on a processor so far, by which time is bounded too. Without one only what is counted is, and the same file always ends in the same
/// way.
/// </param>
internal sealed class ScenarioBudget(int factor = 1, Func<TimeSpan>? clock = null)
{
    /// <summary>Instructions of modelled guest code for a file, and for each of its scenarios.</summary>
    public static (long File, long Scenario) Instructions => (1_000_000, 10_000);

    /// <summary>Bytes of guest memory that <c>dump</c> asks for.</summary>
    public static (long File, long Scenario) Dumped => (1 << 20, 1 << 14);

    /// <summary>Time on a processor.</summary>
    public static (TimeSpan File, TimeSpan Scenario) Time => (TimeSpan.FromSeconds(30), TimeSpan.FromMilliseconds(100));

    /// <summary>The most time on a processor of a step of guest code on the model, which a million instructions do not reach.</summary>
    public static TimeSpan TimeOfStep => TimeSpan.FromSeconds(5);

    private readonly TimeSpan _start = clock?.Invoke() ?? TimeSpan.Zero;
    private TimeSpan _stepStart;
    private TimeSpan _time = Time.File * factor;
    private long _instructions = Instructions.File * factor;
    private long _dumped = Dumped.File * factor;

    internal void BeginScenario()
    {
        _time += Time.Scenario * factor;
        _instructions += Instructions.Scenario * factor;
        _dumped += Dumped.Scenario * factor;
    }

    internal void BeginStep() => _stepStart = clock?.Invoke() ?? TimeSpan.Zero;

    /// <summary>How many instructions are left, when a step may execute so many.</summary>
    internal int InstructionsOf(int step) => (int)Math.Min(step, _instructions);

    internal void SpendInstructions(int count)
    {
        _instructions -= count;
        if (_instructions <= 0)
        {
            throw new ScenarioBudgetException(
                "the guest code of this file has executed all instructions that it may: a million, and 10,000 more for each scenario");
        }
    }

    internal void SpendDump(long length)
    {
        _dumped -= length;
        if (_dumped < 0)
        {
            throw new ScenarioBudgetException(
                "the scenarios of this file dump more memory than they may together: 1 MiB, and 16 KiB more for each scenario");
        }
    }

    internal void CheckTimeOfStep()
    {
        if (clock is not null && clock() - _stepStart > TimeOfStep * factor)
        {
            throw new ScenarioBudgetException(Text(
                $"the guest code of this step takes more than {(TimeOfStep * factor).TotalSeconds} s on a processor"));
        }

        CheckTime();
    }

    internal void CheckTime()
    {
        if (clock is not null && clock() - _start > _time)
        {
            throw new ScenarioBudgetException(Text(
                $"the scenarios so far have taken the {_time.TotalSeconds} s on a processor that they may together"));
        }
    }

    private static string Text(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}

/// <summary>More than a budget holds was asked for; whoever knows which step it was says so.</summary>
internal sealed class ScenarioBudgetException(string message) : Exception(message);
