using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

public class ExplorerTests(ITestOutputHelper output)
{
    public static TheoryData<string> SmallProtocols => new("kvm-svm-5.8", "kvm-svm-6.19", "openbsd-vmm-vmx", "openbsd-vmm-svm",
        "kvm-svm-5.8+vmm-pkru-0");

    public static TheoryData<string> AllProtocols => new(SwitchProtocols.All.Select(protocol => protocol.Id));

    [Theory]
    [MemberData(nameof(AllProtocols))]
    public void Reduction_changes_neither_verdicts_nor_the_length_of_a_shortest_trace(string id)
    {
        // The variants that break an intercept have a hundred times the states; for them one processor has to do.
        bool large = id.EndsWith("-intercept", StringComparison.Ordinal);
        ExplorationOptions options = new()
        {
            Vcpus = 1,
            Cpus = large ? 1 : 2,
            Events = large
            ? HostEvents.Nmi | HostEvents.GetXsave : HostEvents.All
        };
        ExplorationResult reduced = Exploration.Of(id, options);
        ExplorationResult full = Exploration.Of(id, options with { Reduction = false });

        output.WriteLine($"{id}: {reduced.States} instead of {full.States}");
        Assert.True(reduced.States < full.States);
        Assert.Equal(Lengths(full), Lengths(reduced));
    }

    [Theory]
    [InlineData("openbsd-vmm-vmx", HostEvents.All)]
    [InlineData("openbsd-vmm-svm", HostEvents.Nmi | HostEvents.Preempt)]
    [InlineData("kvm-svm-5.7", HostEvents.All)]
    [InlineData("kvm-svm-5.0", HostEvents.MachineCheck | HostEvents.Irq)]
    public void On_two_vcpus_and_two_processors_reduction_changes_nothing_either(string id, Enum eventsValue)
    {
        HostEvents events = (HostEvents)eventsValue;
        ExplorationOptions options = new() { Vcpus = 2, Cpus = 2, Events = events };
        ExplorationResult reduced = Exploration.Of(id, options);
        ExplorationResult full = Exploration.Of(id, options with { Reduction = false });

        output.WriteLine($"{id}: {reduced.States} instead of {full.States}");
        Assert.InRange(reduced.States * 2, 1, full.States);
        Assert.Equal(Lengths(full), Lengths(reduced));
    }

    [Theory]
    [MemberData(nameof(SmallProtocols))]
    public void The_number_of_threads_changes_nothing(string id)
    {
        ExplorationOptions options = new() { Vcpus = 1, Cpus = 2, Events = HostEvents.All };
        ExplorationResult one = Exploration.Of(id, options with { Threads = 1 });
        foreach (int threads in (int[])[2, 3, 8])
        {
            ExplorationResult many = Exploration.Of(id, options with { Threads = threads });
            Assert.Equal((one.States, one.Transitions, one.Depth, one.MemoryBytes),
                (many.States, many.Transitions, many.Depth, many.MemoryBytes));
            Assert.Equal(Text(one), Text(many));
        }
    }

    [Fact]
    public void A_thread_meets_what_another_one_left_behind_on_a_processor()
    {
        ExplorationOptions options = new() { Cpus = 1, Events = HostEvents.Preempt | HostEvents.Signal };
        const string Protocol = "kvm-vmx-5.8-no-xss-restore";
        ExplorationResult result = Exploration.Of(Protocol, options with { Vcpus = 2, MaxStates = 200_000 });

        IEnumerable<int> vcpus = result.Of(Invariant.HostXsavesUnderGuestXss)!.Trace.Select(step => step.Vcpu);
        Assert.Single(vcpus.Distinct());
        Assert.Empty(Exploration.Of("kvm-vmx-5.8", options with { Vcpus = 2, MaxStates = 200_000 }).Violations);
    }

    [Fact]
    public void A_preempted_thread_goes_on_on_any_free_processor()
    {
        ExplorationOptions options = new() { Vcpus = 1, Events = HostEvents.Preempt };

        // One more processor is one more place for the same thread; without names it is the same state again.
        long one = Exploration.Of("kvm-svm-5.8", options with { Cpus = 1 }).States;
        Assert.Equal(one, Exploration.Of("kvm-svm-5.8", options with { Cpus = 2 }).States);
        Assert.InRange(Exploration.Of("kvm-svm-5.8", options with { Cpus = 2, Reduction = false }).States, one + 1, long.MaxValue);
    }

    [Fact]
    public void A_bound_on_states_is_admitted()
    {
        ExplorationResult result = Exploration.Of("kvm-vmx-5.8", new ExplorationOptions { Vcpus = 1, Cpus = 1, MaxStates = 100 });

        Assert.False(result.Complete);
        Assert.InRange(result.States, 100, 200);
        Assert.Contains("stopped at the bound", result.Verdict, StringComparison.Ordinal);
    }

    [Fact]
    public void A_bound_on_memory_is_admitted()
    {
        ExplorationResult result = Exploration.Of("kvm-vmx-5.8", new ExplorationOptions { MaxMemoryBytes = 10_000_000 });

        Assert.False(result.Complete);
        Assert.InRange(result.MemoryBytes, 10_000_000, 20_000_000);
    }

    [Fact]
    public void Progress_never_goes_back_and_ends_at_the_result()
    {
        Recorder recorder = new();
        ExplorationResult result = Exploration.Of("kvm-svm-5.8", new ExplorationOptions { Vcpus = 1, Cpus = 1, Progress = recorder });

        Assert.Equal(recorder.States.Order(), recorder.States);
        Assert.Equal(result.States, recorder.States[^1]);
    }

    [Fact]
    public void Cancelling_stops_an_exploration()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.Throws<OperationCanceledException>(() => Explorer.Explore(SwitchProtocols.Find("kvm-vmx-5.8"), cancellation: source.Token));
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(5, 1)]
    [InlineData(1, 0)]
    [InlineData(1, 5)]
    public void A_machine_that_cannot_be_is_refused(int vcpus, int cpus) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => Exploration.Of("kvm-svm-5.8",
            new ExplorationOptions { Vcpus = vcpus, Cpus = cpus }));

    [Fact]
    public void An_unknown_protocol_is_answered_with_the_known_ones() =>
        Assert.Contains("kvm-svm-6.19", Assert.Throws<ArgumentException>(() => SwitchProtocols.Find("kvm")).Message,
            StringComparison.Ordinal);

    private static IEnumerable<(Invariant, int)> Lengths(ExplorationResult result) =>
        result.Violations.Select(violation => (violation.Invariant, violation.Trace.Length));

    private static IEnumerable<string> Text(ExplorationResult result) =>
        result.Violations.SelectMany(violation =>
            violation.Trace.Select(step => $"{violation.Invariant} {step.Actor} {step.Step} {step.Note}"));

    private sealed class Recorder : IProgress<ExplorationProgress>
    {
        public List<long> States { get; } = [];

        public void Report(ExplorationProgress value) => States.Add(value.States);
    }
}
