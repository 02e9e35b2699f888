using System.Collections.Immutable;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Linux.Tracing;

namespace Xstate.Linux.Tests.Tracing;

/// <summary>What a child of this kernel tells of its differences, against what its release should have.</summary>
public class ProcessBehaviorProbeTests
{
    [Fact]
    public void A_probe_finds_what_the_kernels_release_has()
    {
        HostRecord host = HostProbe.RecordWithoutKvm();
        ImmutableArray<ProbedBehavior> probes = ProcessBehaviorProbe.Run(host);
        foreach (ProbedBehavior probe in probes)
        {
            TestContext.Current.TestOutputHelper?.WriteLine($"{(probe.Present ? "has" : "lacks")} {probe.Id}: {probe.Evidence}");
        }

        Assert.Contains(probes, probe => probe.Id == "PTRACE-LENIENT");
        Assert.Contains(probes, probe => probe.Id == "PTRACE-FPREGS-RAW");
        Assert.Equal(probes.Length, probes.Select(probe => probe.Id).Distinct().Count());
        KernelBehavior? release = KernelBehavior.Of(host);
        Assert.SkipUnless(release is not null, "the kernel's name is not known");
        foreach (ProbedBehavior probe in probes.Where(probe => probe.Id != KernelDifference.UserShadowStack.Id))
        {
            Knowledge known = release.Knows(KernelDifference.Find(probe.Id)!);
            Assert.True(known == Knowledge.Unknown || (known == Knowledge.Present) == probe.Present,
                $"{release} should {(probe.Present ? "lack" : "have")} {probe.Id}: {probe.Evidence}");
        }
    }
}
