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

/// <summary>The sequences of conform can show every named difference, but for those that are named with a reason.</summary>
public class DifferenceReachTests(ITestOutputHelper output)
{
    public static TheoryData<string, string, bool> Hosts => new()
    {
        { "intel-sapphire-rapids", "6.18", true },
        { "intel-icelake", "6.12", false },
        { "amd-genoa", "6.1.40", true },
        { "amd-turin", "7.2", false },
        { "qemu-tcg-max", "6.1", true },
        { "qemu-tcg-max", "7.2", true },
        { "amd-zen4-pvm", "6.18", false },
        { "intel-haswell", "5.10", false },
    };

    [Theory]
    [MemberData(nameof(Hosts))]
    public void None_is_missed(string name, string release, bool moves)
    {
        ConformanceResult result = Run(name, release, moves, 500);
        output.WriteLine(
            $"{name} {release}: reached {string.Join(' ', result.Reach.Differences)}\nmissed "
            + $"{string.Join(' ', result.Reach.Missed)}\nrules {string.Join(' ', result.Reach.Rules)}");
        Assert.Empty(result.Disagreements);
        Assert.Empty(result.Reach.Missed);
    }

    private static ConformanceResult Run(string name, string release, bool moves, int sequences)
    {
        Assert.True(KernelRelease.TryParse(release, out KernelRelease kernel));
        HostRecord record = SampleHosts.Open(name);
        LinuxHost host = new(record, KernelBehavior.Of(kernel).Set(KernelDifference.KvmPvmHostCpuid, record.Flavour == KvmFlavour.Pvm));
        using KvmModelMachine machine = new(host);
        machine.GetSupportedCpuid(out ImmutableArray<CpuidEntry> supported);
        KvmSequenceFacts facts = new()
        {
            Supported = supported,
            Components = new CpuidTable(supported).UserComponents,
            MxcsrMask = host.MxcsrMask,
            ImageLength = Math.Max(KvmModelMachine.XsaveLength, machine.Xsave2Size),
            MovesThroughProcessor = moves,
        };
        return ConformanceRun.Perform(host, facts, new ModelBackend(host), new ConformanceOptions { Count = sequences * 15, Seed = 1 });
    }
}
