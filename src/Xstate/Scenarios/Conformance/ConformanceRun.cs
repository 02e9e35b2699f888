using System.Collections.Immutable;
using System.Diagnostics;
using Xstate.Architecture;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios.Calls;

namespace Xstate.Scenarios.Conformance;

/// <summary>How much a comparison does.</summary>
internal sealed record ConformanceOptions
{
    /// <summary>Calls to compare, at least; the last sequence is finished.</summary>
    public long Count { get; init; } = 100_000;

    /// <summary>The first seed; each sequence takes the next one.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Ends it before all calls are made, or null.</summary>
    public TimeSpan? Limit { get; init; }

    /// <summary>Components that the processor here was seen to count as in use by itself (<see cref="LinuxHost.DriftingInUse"/>).</summary>
    public StateComponentSet DriftingInUse { get; init; }

    /// <summary>Disagreements after which it ends: one wrong rule shows in every other sequence.</summary>
    public int MaxDisagreements { get; init; } = 5;
}

/// <summary>What a comparison found.</summary>
/// <param name="Calls">Calls compared, by request or step.</param>
/// <param name="Sequences">Sequences of calls.</param>
/// <param name="Refusals">Calls that both sides refused, or that faulted or killed on both.</param>
/// <param name="Bytes">Length of the answers compared.</param>
/// <param name="Undecided">Answers that differ where neither is wrong (<see cref="ScenarioDifferential.Undecided"/>).</param>
/// <param name="Disagreements">Where the two differ, minimized.</param>
/// <param name="IsComplete">Whether the asked number of calls was reached.</param>
internal sealed record ConformanceResult(
    IReadOnlyDictionary<string, long> Calls, long Sequences, long Refusals, long Bytes, long Undecided,
    IReadOnlyList<ScenarioDisagreement> Disagreements, bool IsComplete)
{
    /// <summary>Which rules and differences were reached.</summary>
    public ConformanceReach Reach { get; init; } = ConformanceReach.None;

    /// <summary>All calls.</summary>
    public long Total => Calls.Values.Sum();
}

/// <summary>
/// Compares a model with a kernel over seeded random sequences of KVM's calls on a virtual CPU, and of ptrace, signals and instructions on
/// a child.
/// </summary>
internal static class ConformanceRun
{
    /// <summary>Performs it.</summary>
    /// <param name="host">The model.</param>
    /// <param name="facts">What sequences of KVM's calls are built around; null to leave KVM out.</param>
    /// <param name="kernel">The kernel.</param>
    /// <param name="options">How much.</param>
    /// <param name="progress">Told how many calls were compared, after each pair of sequences; or null.</param>
    public static ConformanceResult Perform(LinuxHost host, KvmSequenceFacts? facts, ScenarioBackend kernel, ConformanceOptions options,
        IProgress<long>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(host);
        ArgumentNullException.ThrowIfNull(kernel);
        ArgumentNullException.ThrowIfNull(options);
        StateComponentSet drifting = options.DriftingInUse;
        using KvmDifferential virtualCpus = new(
            () => new KvmModelMachine(host),
            () => kernel.CreateMachine(hasInterruptController: false)!,
            drifting.IsEmpty ? null : number => new KvmModelMachine(host.Drifting(drifting, number)));
        ScenarioDifferential children = new(new ModelBackend(host), kernel, drifting.IsEmpty
            ? null : number => new ModelBackend(host.Drifting(drifting, number)));
        KvmSequenceGenerator? calls = facts is null ? null : new KvmSequenceGenerator(facts);
        ProcessScenarioGenerator steps = new(host.Layout, host.UserFeatures, host.MxcsrMask);
        ImmutableArray<LeftOut> outOfReach = ConformanceScope.OutOfReach(host, facts);
        string[] expected = [.. KernelDifference.All.Select(info => info.Id).Except(outOfReach.Select(left => left.What))];
        DifferenceReach reach = new(host, expected);
        List<ScenarioDisagreement> found = [];
        long start = Stopwatch.GetTimestamp();
        ulong seed = options.Seed;
        long compared = 0;
        while (compared < options.Count && found.Count < options.MaxDisagreements
            && (options.Limit is not { } limit || Stopwatch.GetElapsedTime(start) < limit))
        {
            KvmSequence? sequence = calls?.Make(seed);
            if (sequence is not null && virtualCpus.Compare(sequence) is { } difference)
            {
                found.Add(Describe(difference, host));
            }

            string scenario = steps.Make(seed);
            if (children.Compare(seed, scenario) is { } other)
            {
                found.Add(other);
            }

            reach.Look(sequence, scenario);

            seed++;
            compared = virtualCpus.Calls + children.Calls.Values.Sum();
            progress?.Report(compared);
        }

        SortedDictionary<string, long> counts = new(StringComparer.Ordinal);
        foreach ((string name, long count) in virtualCpus.ByRequest.Concat(children.Calls))
        {
            counts[name] = count;
        }

        return new ConformanceResult(
            counts, virtualCpus.Sequences + children.Sequences, virtualCpus.Refusals + children.Refusals,
            virtualCpus.Bytes + children.Bytes, virtualCpus.Undecided + children.Undecided, found, compared >= options.Count)
        {
            Reach = new ConformanceReach([.. virtualCpus.Rules.Union(children.Rules).Order(StringComparer.Ordinal)], [.. reach.Reached],
                [.. expected.Except(reach.Reached)], outOfReach),
        };
    }

    private static ScenarioDisagreement Describe(KvmDisagreement difference, LinuxHost host)
    {
        using KvmModelMachine machine = new(host);
        string scenario = KvmScenarioText.Write(difference.Sequence, machine);
        return new ScenarioDisagreement(difference.Sequence.Seed, scenario, difference.Sequence.Calls[^1].Request, Text(difference.Left),
            Text(difference.Right));
    }

    private static string Text(KvmAnswer answer) =>
        answer.Errno != Errno.None
        ? $"{{\"errno\":\"{answer.Errno}\"}}" : $"{{\"errno\":0,\"hex\":\"{Convert.ToHexStringLower(answer.Bytes.Span)}\"}}";
}
