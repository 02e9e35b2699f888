using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

public class RestoreRehearsalTests
{
    [Theory]
    [InlineData("leaked-pkru", "intel-skylake-sp", "6.1.40", Verdict.Repairable, "XS0101", "Trim")]
    [InlineData("leaked-pkru", "intel-skylake-sp", "6.1.60", Verdict.Same, "XS0505", "")]
    [InlineData("leaked-pkru", "intel-skylake-sp", "6.12", Verdict.Same, "XS0505", "")]
    [InlineData("leaked-pkru", "intel-skylake-sp", "5.15", Verdict.Same, "XS0505", "")]
    [InlineData("leaked-pkru", "intel-haswell", "6.12", Verdict.Repairable, "XS0102", "Trim")]
    [InlineData("hidden-avx512", "intel-haswell", "6.12", Verdict.Repairable, "XS0102", "Trim")]
    [InlineData("hidden-avx512", "intel-icelake", "6.1.40", Verdict.Repairable, "XS0101", "Trim")]
    [InlineData("hidden-avx512", "intel-icelake", "6.12", Verdict.Same, "XS0505", "")]
    [InlineData("intel-for-amd", "amd-genoa", "6.12", Verdict.Repairable, "XS0504", "Relocate")]
    [InlineData("intel-for-amd", "intel-sapphire-rapids", "6.12", Verdict.Same, "", "")]
    [InlineData("compacted", "intel-icelake", "6.12", Verdict.Repairable, "XS0103", "Expand")]
    [InlineData("compacted", "amd-genoa", "6.12", Verdict.Repairable, "XS0103", "Expand")]
    [InlineData("live-avx512", "intel-haswell", "6.12", Verdict.Refused, "XS0506", "")]
    [InlineData("live-avx512", "intel-cascadelake", "6.1.40", Verdict.Same, "", "")]
    [InlineData("stale-pkru", "amd-genoa", "6.12", Verdict.Same, "XS0502", "")]
    [InlineData("xfd-tiles", "intel-sapphire-rapids", "6.8", Verdict.Dangerous, "XS0601", "Xfd")]
    [InlineData("xfd-tiles", "intel-sapphire-rapids", "6.19", Verdict.Same, "", "")]
    public void A_sample_has_its_verdict_rule_and_repair(string capture, string host, string kernel, Verdict verdict, string rule,
        string repair)
    {
        TargetOutcome outcome = Rehearse(capture, host, kernel);
        Assert.Equal(verdict, outcome.Verdict);
        if (rule.Length > 0)
        {
            Assert.Contains(outcome.Findings, finding => finding.Rule.Id == rule);
        }
        else
        {
            Assert.DoesNotContain(outcome.Findings, finding => finding.Severity == Severity.Error);
        }

        Assert.Equal(repair.Length > 0 ? repair : null, outcome.Repairs.FirstOrDefault()?.Kind.ToString());
    }

    [Theory]
    [InlineData("6.18", 1UL, Verdict.Same)]
    [InlineData("6.18", 0x40UL, Verdict.Refused)]
    [InlineData("6.12", 1UL, Verdict.Refused)]
    [InlineData("6.12", 0UL, Verdict.Repairable)]
    public void The_CET_registers_that_a_snapshot_carries_are_restored_as_far_as_the_kernel_has_them(string kernel, ulong value,
        Verdict verdict)
    {
        const uint UserCet = 0x6A0;
        LinuxHost host = Host("intel-sapphire-rapids", kernel);
        Capture capture = SampleHosts.OpenCapture("intel-for-amd");
        CapturedState state = capture.States[0] with
        {
            GuestCpuid = new Fact<CpuidTable>(host.Record.Cpuid, FactSource.Artifact, "the host's"),
            Xss = new Fact<StateComponentSet>(host.KvmXss, FactSource.Artifact, "all that the host's KVM has"),
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(
            capture with { States = [state with { Msrs = state.Msrs.SetItem(UserCet, value) }] }, host,
            new RehearsalOptions { Vmm = Restorers.Default });

        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict != Verdict.Same, outcome.Findings.Any(finding => finding.Rule.Id == "XS0403"));
    }

    [Fact]
    public void A_repaired_sample_loads_and_is_the_same()
    {
        foreach ((string capture, string host, string kernel) in ((string, string, string)[])
            [("leaked-pkru", "intel-skylake-sp", "6.1.40"), ("leaked-pkru", "intel-haswell", "6.12"),
                ("hidden-avx512", "intel-haswell", "5.10"),
             ("intel-for-amd", "amd-genoa", "6.12"), ("compacted", "amd-turin", "6.12"), ("xfd-tiles", "intel-sapphire-rapids", "6.8")])
        {
            TargetOutcome outcome = Rehearse(capture, host, kernel);
            Assert.NotNull(outcome.Repaired);
            TargetOutcome after = RestoreRehearsal.Perform(outcome.Repaired, Host(host, kernel));

            // No repair of the state gives a guest instructions that its new processor lacks (XS0508).
            Assert.True(after.Verdict == Verdict.Same || after.Findings.Where(finding => finding.Severity == Severity.Error)
                .All(finding => finding.Rule.Id == "XS0508"));
            Assert.Empty(after.Differences);
        }
    }

    [Fact]
    public void A_used_vCPU_shows_its_stale_PKRU()
    {
        TargetOutcome outcome = Rehearse("stale-pkru", "amd-genoa", "6.12", new RehearsalOptions { PreviousPkru = 4 });
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.Equal(new RegisterDifference(0, "pkru", "0x0", "0x4"), Assert.Single(outcome.Differences));
    }

    [Fact]
    public void Force_drops_live_state_and_says_so()
    {
        TargetOutcome outcome = Rehearse("live-avx512", "intel-haswell", "6.12", new RehearsalOptions { Force = true });
        Assert.Contains(outcome.Repairs, step => step.LosesState);
    }

    [Theory]
    [InlineData("crosvm")]
    [InlineData("dragonball")]
    [InlineData("stratovirt")]
    [InlineData("openvmm")]
    [InlineData("hyperlight")]
    public void A_VMM_that_never_asks_for_the_permission_cannot_restore_a_guest_with_tiles(string vmm)
    {
        TargetOutcome outcome = Rehearse("xfd-tiles", "intel-sapphire-rapids", "6.19", new RehearsalOptions { Vmm = Restorers.Find(vmm)! });
        Assert.Equal((Verdict.Refused, "KVM_SET_CPUID2", Errno.EPERM), (outcome.Verdict, outcome.RefusedCall, outcome.Errno));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0301");
    }

    [Fact]
    public void Old_QEMU_resumes_a_guest_that_was_not_restored()
    {
        TargetOutcome outcome = Rehearse("leaked-pkru", "intel-skylake-sp", "6.1.40",
            new RehearsalOptions { Vmm = Restorers.Find("qemu-7.2")! });
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0602");
    }

    [Theory]
    [InlineData("leaked-pkru", "intel-skylake-sp", "6.12", Verdict.Same)]
    [InlineData("leaked-pkru", "intel-skylake-sp", "6.1.40", Verdict.Unknown)]
    public void What_nobody_tells_of_an_image_is_tried_and_never_guessed(string sample, string host, string kernel, Verdict verdict)
    {
        Capture bare = SampleHosts.OpenCapture(sample);
        bare = bare with { States = [new CapturedState { Id = 0, Area = bare.States[0].Area }] };
        TargetOutcome outcome = RestoreRehearsal.Perform(bare, Host(host, kernel));
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Unknown, outcome.DependsOn.Any(dependency => dependency.Fact == "guest-cpuid"));
        Assert.Equal(verdict == Verdict.Same, outcome.Findings.Any(finding => finding.Rule.Id == "XS0723"));
    }

    [Fact]
    public void MXCSR_that_rides_with_AVX_alone_is_lost_on_hosts_that_compact()
    {
        // KVM_GET_XSAVE would still return it: only the kernel's own XRSTOR drops it.
        Capture capture = SampleHosts.OpenCapture("live-avx512");
        byte[] area = capture.States[0].Area.ToArray();
        area[512] = 4;
        area[513] = 0;
        capture = capture with { States = [capture.States[0] with { Area = area }] };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host("intel-cascadelake", "6.12"));
        Assert.Equal(new RegisterDifference(0, "mxcsr", "0x1fa0", "0x1f80"), Assert.Single(outcome.Differences));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0503");
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
    }

    [Fact]
    public void Every_finding_points_at_a_rule_of_the_catalogue()
    {
        foreach (string capture in (string[])["leaked-pkru", "hidden-avx512", "intel-for-amd", "compacted", "live-avx512", "stale-pkru",
            "xfd-tiles"])
        {
            foreach (string host in (string[])["intel-haswell", "amd-genoa", "amd-rome", "intel-sapphire-rapids", "intel-skylake-sp"])
            {
                foreach (string kernel in (string[])["5.10", "5.16.0", "5.18", "6.1.40", "6.12", "6.18"])
                {
                    Assert.All(Rehearse(capture, host, kernel).Findings, finding => Assert.NotNull(Rules.Find(finding.Rule.Id)));
                }
            }
        }
    }

    private static TargetOutcome Rehearse(string capture, string host, string kernel, RehearsalOptions? options = null) =>
        RestoreRehearsal.Perform(SampleHosts.OpenCapture(capture), Host(host, kernel), options);

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name), KernelBehavior.Of(release));
    }
}
