using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// QEMU loads what another release saved, and releases differ: where that decides, the answer depends on which one loads, and nowhere else.
/// </summary>
public class QemuReleaseTests
{
    private const uint UserCet = 0x6A0;
    private const uint Pl3Ssp = 0x6A7;

    [Theory]
    [InlineData(UserCet, 1UL)]
    [InlineData(UserCet, 3UL)]
    [InlineData(Pl3Ssp, 0x7FFF_0000_1000UL)]
    public void A_guest_with_shadow_stacks_depends_on_the_release(uint msr, ulong value)
    {
        Capture capture = WithMsr(msr, value);
        LinuxHost host = Host("intel-sapphire-rapids", "6.18");
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, host);
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        Dependency release = Assert.Single(outcome.DependsOn);
        Assert.Equal(("vmm", "qemu"), (release.Fact, release.Id));
        Assert.Equal([("QEMU 8.2 and later", Verdict.Same), ("QEMU 9.2 to 10.2", Verdict.Differs), ("QEMU 6.0 to 8.1", Verdict.Differs)],
            release.Outcomes.Select(under => (under.Value, under.Verdict)));
        Assert.Contains("--vmm qemu-10.0", release.FindOut, StringComparison.Ordinal);
        foreach ((string vmm, Verdict verdict) in new[] { ("qemu", Verdict.Same), ("qemu-10.0", Verdict.Differs) })
        {
            TargetOutcome given = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = Restorers.Find(vmm) });
            Assert.Equal((verdict, true), (given.Verdict, given.DependsOn.IsEmpty));
        }
    }

    [Fact]
    public void Nothing_is_asked_where_releases_do_the_same()
    {
        LinuxHost host = Host("intel-sapphire-rapids", "6.18");
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(WithMsr(UserCet, 0), host).Verdict);
        foreach (string name in (string[])["hidden-avx512", "leaked-pkru", "live-avx512", "xfd-tiles"])
        {
            TargetOutcome outcome = RestoreRehearsal.Perform(SampleHosts.OpenCapture(name), Host("intel-cascadelake", "6.12"));
            Assert.DoesNotContain(outcome.DependsOn, dependency => dependency.Fact == "vmm");
        }
    }

    [Fact]
    public void The_release_of_other_programs_is_what_their_format_says()
    {
        Capture capture = WithMsr(UserCet, 1) with { Vmm = Vmm.Firecracker };
        Assert.DoesNotContain(RestoreRehearsal.Perform(capture, Host("intel-sapphire-rapids", "6.18")).DependsOn,
            dependency => dependency.Fact == "vmm");
    }

    [Fact]
    public void A_stream_with_components_that_KVM_does_not_announce_depends_on_the_release()
    {
        string file = Repository.Shared("data", "qemu", "q100-pc-kvm-host-avxonly-s9.mig.gz");
        using Stream stored = File.OpenRead(file);
        using Stream content = ArtifactContent.Open(stored, new ArtifactOptions());
        Capture capture = Artifact.Open(content).Capture!;
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host("amd-zen4-pvm", "6.18"));
        Dependency release = Assert.Single(outcome.DependsOn, dependency => dependency.Fact == "vmm");
        Assert.Equal([Verdict.Same, Verdict.Same, Verdict.Differs], release.Outcomes.Select(under => under.Verdict));
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
    }

    private static Capture WithMsr(uint index, ulong value)
    {
        LinuxHost host = Host("intel-sapphire-rapids", "6.18");
        Capture capture = SampleHosts.OpenCapture("intel-for-amd");
        CapturedState state = capture.States[0];
        return capture with
        {
            States =
            [
                state with
                {
                    GuestCpuid = new Fact<CpuidTable>(host.Record.Cpuid, FactSource.Artifact, "the host's"),
                    Xss = new Fact<StateComponentSet>(host.KvmXss, FactSource.Artifact, "all that the host's KVM has"),
                    Msrs = state.Msrs.SetItem(index, value),
                },
            ],
        };
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name), KernelBehavior.Of(release));
    }
}
