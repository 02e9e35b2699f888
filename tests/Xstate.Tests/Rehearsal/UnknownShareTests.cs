using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// An answer that is mostly "it depends" helps nobody: of the sample states as bare images, with the guest's CPUID and XCR0 given, at most
/// one in ten is unknown.
/// </summary>
public class UnknownShareTests(ITestOutputHelper output)
{
    private static readonly string[] Captures = ["compacted", "hidden-avx512", "intel-for-amd", "leaked-pkru", "live-avx512", "stale-pkru",
        "xfd-tiles"];

    private static readonly string[] Hosts =
    [
        "amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-alderlake", "intel-cascadelake", "intel-haswell", "intel-icelake",
        "intel-sapphire-rapids", "intel-skylake-sp",
    ];

    private static readonly string[] Kernels =
    [
        "linux-5.10", "linux-5.15", "linux-6.1", "linux-6.6", "linux-6.12", "linux-6.18", "linux-7.2",
        "6.1.0-47-amd64", "6.2.16-19-pve", "5.14.0-427.el9", "4.18.0-553.el8_10", "5.15.0-91-generic", "6.5.0-18-generic",
        "5.14.21-150500.55.39-default", "6.1.97-104.177.amzn2023",
    ];

    [Fact]
    public void At_most_one_in_ten_is_unknown()
    {
        int all = 0;
        Dictionary<string, int> unknown = [];
        foreach (string name in Captures)
        {
            CapturedState sample = SampleHosts.OpenCapture(name).States[0];
            CapturedState bare = new()
            {
                Id = 0,
                Area = sample.Area,
                GuestCpuid = new Fact<CpuidTable>(sample.GuestCpuid!.Value, FactSource.Given, "--guest-cpuid"),
                Xcr0 = new Fact<StateComponentSet>(sample.Xcr0!.Value, FactSource.Given, "--xcr0"),
            };
            Capture image = RawImage.Capture(sample.Area.ToArray()) with { States = [bare] };
            foreach (string host in Hosts)
            {
                foreach (string kernel in Kernels)
                {
                    Assert.True(KernelNames.TryRead(kernel, KernelEvidence.None, out KernelBehavior? behavior, out string error), error);
                    TargetOutcome outcome = RestoreRehearsal.Perform(image, new LinuxHost(SampleHosts.Open(host), behavior));
                    all++;
                    foreach (string fact in outcome.Verdict == Verdict.Unknown
                        ? outcome.DependsOn.Select(dependency => dependency.Id ?? dependency.Fact).Prepend("in all") : [])
                    {
                        unknown[fact] = unknown.GetValueOrDefault(fact) + 1;
                    }
                }
            }
        }

        output.WriteLine(
            $"{unknown.GetValueOrDefault("in all")} of {all} are unknown: "
            + $"{string.Join(", ", unknown.OrderByDescending(fact => fact.Value).Select(fact => $"{fact.Key} {fact.Value}"))}");
        Assert.True(unknown.GetValueOrDefault("in all") * 10 <= all, $"{unknown.GetValueOrDefault("in all")} of {all}");
    }
}
