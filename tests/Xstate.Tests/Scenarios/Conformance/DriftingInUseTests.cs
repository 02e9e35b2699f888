using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Scenarios;
using Xstate.Scenarios.Conformance;
using Xstate.Tests.Support;

namespace Xstate.Tests.Scenarios.Conformance;

/// <summary>A processor that comes to count SSE as in use by itself agrees only where it was seen to do so.</summary>
public class DriftingInUseTests
{
    private const ulong Sequences = 120;
    private static readonly LinuxHost Host = new(SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(new KernelRelease(6, 18)));
    private static readonly StateComponentSet Sse = StateComponentSet.Of(StateComponent.Sse);
    private static readonly LinuxHost Drifting = Host.Drifting(Sse);

    [Fact]
    public void A_child_on_such_a_processor_agrees_with_the_alternative_alone()
    {
        ProcessScenarioGenerator generator = new(Host.Layout, Host.UserFeatures, Host.MxcsrMask);
        ScenarioDifferential strict = new(new ModelBackend(Host), new ModelBackend(Drifting));
        ScenarioDifferential measured = new(new ModelBackend(Host), new ModelBackend(Drifting), Alternative);
        int found = 0;
        for (ulong seed = 0; seed < Sequences; seed++)
        {
            string scenario = generator.Make(seed);
            found += strict.Compare(seed, scenario) is null ? 0 : 1;
            Assert.Null(measured.Compare(seed, scenario));
        }

        Assert.InRange(found, 10, (int)Sequences);
        Assert.Equal(found, measured.Undecided - strict.Undecided);
    }

    [Fact]
    public void A_virtual_CPU_on_such_a_processor_agrees_with_the_alternative_alone()
    {
        using KvmModelMachine machine = new(Host);
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> supported);
        KvmSequenceGenerator generator = new(new KvmSequenceFacts
        {
            Supported = supported,
            Components = Host.DefaultUserFeatures,
            MxcsrMask = Host.MxcsrMask,
            MovesThroughProcessor = true
        });
        using KvmDifferential strict = new(() => new KvmModelMachine(Host), () => new KvmModelMachine(Drifting));
        using KvmDifferential measured = new(() => new KvmModelMachine(Host), () => new KvmModelMachine(Drifting),
            number => new KvmModelMachine(Host.Drifting(Sse, number)));
        int found = 0;
        for (ulong seed = 0; seed < Sequences; seed++)
        {
            KvmSequence sequence = generator.Make(seed);
            found += strict.Compare(sequence) is null ? 0 : 1;
            Assert.Null(measured.Compare(sequence));
        }

        Assert.InRange(found, 5, (int)Sequences);
        Assert.Equal(found, measured.Undecided);
    }

    /// <summary>It drifts at some moments and not at others.</summary>
    [Fact]
    public void A_child_on_a_processor_that_drifts_by_chance_agrees_too()
    {
        ProcessScenarioGenerator generator = new(Host.Layout, Host.UserFeatures, Host.MxcsrMask);
        ScenarioDifferential measured = new(new ModelBackend(Host), new ModelBackend(Host.Drifting(Sse, 0x5EED)), Alternative);
        ScenarioDifferential twoModels = new(new ModelBackend(Host), new ModelBackend(Host.Drifting(Sse, 0x5EED)),
            _ => new ModelBackend(Drifting));
        int left = 0;
        for (ulong seed = 0; seed < Sequences; seed++)
        {
            string scenario = generator.Make(seed);
            Assert.Null(measured.Compare(seed, scenario));
            left += twoModels.Compare(seed, scenario) is null ? 0 : 1;
        }

        Assert.InRange(left, 1, (int)Sequences / 2);
    }

    private static ModelBackend Alternative(int number) => new(Host.Drifting(Sse, number));

    /// <summary>The alternative excuses what drifts and nothing else.</summary>
    [Fact]
    public void Another_kernel_still_disagrees()
    {
        LinuxHost other = new(Host.Record, KernelBehavior.Of(new KernelRelease(5, 10)));
        ProcessScenarioGenerator generator = new(Host.Layout, Host.UserFeatures, Host.MxcsrMask);
        ScenarioDifferential measured = new(new ModelBackend(Host), new ModelBackend(other), Alternative);
        Assert.Contains(Enumerable.Range(0, (int)Sequences),
            seed => measured.Compare((ulong)seed, generator.Make((ulong)seed)) is not null);
    }

    [Fact]
    public void What_a_comparison_leaves_out_is_named_with_its_reason()
    {
        LinuxHost genoa = new(SampleHosts.Open("amd-genoa"), KernelBehavior.Of(new KernelRelease(6, 12)));
        ImmutableArray<LeftOut> left = ConformanceScope.LeftOut(genoa, null, "open /dev/kvm: ENOENT",
            StateComponentSet.Of(StateComponent.Sse));
        Assert.Equal(new LeftOut("kvm", "open /dev/kvm: ENOENT"), left[0]);
        Assert.Contains(left, one => one.What == "tiledata" && one.Why.Contains("does not enumerate", StringComparison.Ordinal));
        Assert.DoesNotContain(left, one => one.What is "pkru" or "avx" or "sse" or "x87");
        Assert.Single(left, one => one.What == "in-use");

        KvmSequenceFacts facts = new()
        {
            Supported = [],
            Components = StateComponentSet.Legacy,
            MxcsrMask = Mxcsr.IntelMask,
            ComparedLeaf = CpuidTable.XsaveLeaf
        };
        ImmutableArray<LeftOut> ofKvm = ConformanceScope.LeftOut(Host, facts, "", StateComponentSet.Empty);
        Assert.Equal(["kvm-run", "cpuid"], ofKvm.Take(2).Select(one => one.What));
        Assert.Contains(ofKvm, one => one.What == "tiledata" && one.Why.Contains("permission", StringComparison.Ordinal));
        Assert.DoesNotContain(ofKvm, one => one.What is "kvm" or "in-use");
    }
}
