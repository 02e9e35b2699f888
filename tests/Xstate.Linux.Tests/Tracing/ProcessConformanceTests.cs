using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Linux.Kvm;
using Xstate.Linux.NativeCode;
using Xstate.Scenarios;
using Xstate.Scenarios.Conformance;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests.Tracing;

/// <summary>
/// The modelled thread and a real child answer the same to seeded random sequences of ptrace, signals and their own instructions.
/// </summary>
public class ProcessConformanceTests
{
    private const ulong FirstSeed = 0x0C0F_0000;
    private const int FullCount = 2_000;

    private static LinuxHost Host { get; } = MakeHost();

    [Fact]
    public void The_model_answers_every_scenario_as_a_child_of_this_kernel_does()
    {
        ScenarioDifferential differential = Differential(Host);
        ProcessScenarioGenerator generator = Generator();
        int count = Math.Max(1, (int)(FullCount * Repository.Scale));
        for (ulong i = 0; i < (ulong)count; i++)
        {
            ScenarioDisagreement? found = differential.Compare(FirstSeed + i, generator.Make(FirstSeed + i));
            Assert.True(found is null, $"after {i} scenarios: {found}");
        }

        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{Host.Behavior}: {differential.Sequences} scenarios, {differential.Undecided} undecided, "
            + $"{string.Join(", ", differential.Calls.Select(c => $"{c.Value} {c.Key}"))}, {differential.Refusals} refused, "
            + $"{differential.Bytes} characters");
    }

    /// <summary>The comparison sees the rules that such scenarios can see.</summary>
    [Theory]
    [InlineData("PTRACE-PKRU-IGN")]
    [InlineData("PTRACE-LENIENT")]
    [InlineData("SIG-KEYS-OPEN")]
    public void A_model_with_one_difference_turned_round_disagrees_with_this_kernel(string name)
    {
        KernelDifference difference = KernelDifference.Find(name)!;
        Assert.SkipUnless(difference == KernelDifference.PtraceLenient || Host.UserFeatures.Contains(StateComponent.Pkru),
            "this processor has no protection keys");
        LinuxHost other = new(Host.Record, Host.Behavior.Set(difference, !Host.Behavior.Has(difference)));
        ScenarioDifferential differential = Differential(other);
        ProcessScenarioGenerator generator = Generator();
        ScenarioDisagreement? found = null;
        for (ulong i = 0; i < 300 && found is null; i++)
        {
            found = differential.Compare(FirstSeed + i, generator.Make(FirstSeed + i));
        }

        Assert.NotNull(found);
        TestContext.Current.TestOutputHelper?.WriteLine($"found after {differential.Sequences} scenarios: {found.Scenario}");
    }

    private static ScenarioDifferential Differential(LinuxHost host) => new(
        new ModelBackend(host), new KernelScenarioBackend(null), InUseDrift.Components.IsEmpty
        ? null : number => new ModelBackend(host.Drifting(InUseDrift.Components, number)));

    private static ProcessScenarioGenerator Generator() => new(Host.Layout, Host.UserFeatures, Host.MxcsrMask);

    private static LinuxHost MakeHost()
    {
        HostRecord record = HostProbe.Record();
        return new LinuxHost(record, KernelBehavior.Of(record)!);
    }
}
