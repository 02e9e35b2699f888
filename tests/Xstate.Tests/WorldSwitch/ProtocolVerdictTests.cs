using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

public class ProtocolVerdictTests(ITestOutputHelper output)
{
    private const string Observes = "guest-observes-host-pkru";
    private const string UserAccess = "host-user-access-under-guest-pkru";
    private const string Lost = "guest-pkru-lost";
    private const string Xcr0 = "host-xsave-under-guest-xcr0";
    private const string Xss = "host-xsaves-under-guest-xss";
    private const string XfdErr = "xfd-err-leaks";
    private const string Xinuse = "xinuse-invalid";

    /// <summary>What one vCPU on one processor shows under the default events.</summary>
    public static TheoryData<string, string[]> Verdicts => new()
    {
        // Real. Up to 5.7 the exchange hung on CR4.PKE alone, though XSAVE and XRSTOR reach PKRU without: that is what 37486135d3a7 mended.
        { "kvm-vmx-5.0", [Observes, UserAccess, Lost, Xinuse] },
        { "kvm-vmx-5.7", [Observes, UserAccess, Lost, Xinuse] },
        { "kvm-vmx-5.8", [UserAccess] },
        { "kvm-vmx-6.19", [UserAccess] },
        { "kvm-svm-5.0", [] },
        { "kvm-svm-5.7", [] },
        { "kvm-svm-5.8", [] },
        { "kvm-svm-6.19", [UserAccess] },
        { "openbsd-vmm-vmx", [UserAccess] },
        { "openbsd-vmm-svm", [] },

        // A VMM thread with PKRU = 0 makes the host's own XINUSE decide what the guest's image says.
        { "kvm-vmx-5.8+vmm-pkru-0", [UserAccess, Lost, Xinuse] },
        { "kvm-svm-5.8+vmm-pkru-0", [Lost, Xinuse] },

        // Proposals.
        { "kvm-vmx-5.8+nmi-saves-pkru", [] },
        { "kvm-vmx-5.8+uaccess-flag", [] },
        { "kvm-vmx-6.19+nmi-saves-pkru", [] },
        { "kvm-svm-6.19+uaccess-flag", [] },
        { "kvm-vmx-5.8+hidden-rdpkru", [UserAccess] },
        { "kvm-vmx-5.8+reordered-tests", [UserAccess] },
        { "kvm-vmx-5.8+unconditional", [UserAccess] },

        // Broken on purpose.
        { "kvm-vmx-5.8-no-cr4-intercept", [Observes, UserAccess, Lost, Xcr0, Xss, Xinuse] },
        { "kvm-vmx-5.8-no-xcr0-intercept", [Observes, UserAccess, Lost, Xinuse] },
        { "kvm-vmx-5.8-no-restore", [UserAccess, Lost, Xinuse] },
        { "kvm-vmx-5.8-no-xcr0-restore", [UserAccess, Lost, Xcr0, Xinuse] },
        { "kvm-vmx-5.8-no-xss-restore", [UserAccess, Xss] },
        { "kvm-vmx-5.8-xfd-err-not-cleared", [UserAccess, XfdErr] },
        { "kvm-vmx-5.8-get-drops-pkru-bit", [UserAccess, Lost, Xinuse] },
        { "kvm-vmx-5.8+uaccess-flag-late", [UserAccess] },
    };

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void A_complete_exploration_finds_exactly_what_is_argued(string id, string[] violated)
    {
        ExplorationResult result = Exploration.Of(id, new ExplorationOptions { Vcpus = 1, Cpus = 1, Threads = 1 });

        output.WriteLine($"{id}: {result.Verdict}, {result.Transitions} transitions");
        Assert.True(result.Complete);
        Assert.Equal(violated, result.Violations.Select(violation => Invariants.Of(violation.Invariant).Id));
    }

    [Fact]
    public void Every_protocol_has_a_verdict_here() =>
        Assert.Equal(SwitchProtocols.All.Select(protocol => protocol.Id).Order(), Verdicts.Select(row => row.Data.Item1).Order());

    [Fact]
    public void Every_invariant_is_violated_by_a_protocol_that_is_broken_on_purpose()
    {
        HashSet<Invariant> violated = [];
        foreach (SwitchProtocol protocol in SwitchProtocols.All.Where(protocol => protocol.Kind == ProtocolKind.Broken))
        {
            ExplorationResult result = Exploration.Of(protocol.Id, new ExplorationOptions { Vcpus = 1, Cpus = 1, Threads = 1 });
            violated.UnionWith(result.Violations.Select(violation => violation.Invariant));
        }

        Assert.Equal(Enum.GetValues<Invariant>().Order(), violated.Order());
    }

    [Theory]
    [InlineData("kvm-svm-5.8")]
    [InlineData("kvm-svm-5.7")]
    [InlineData("openbsd-vmm-svm")]
    public void On_svm_up_to_6_18_no_default_event_reaches_the_window_on_two_vcpus_and_two_processors(string id)
    {
        ExplorationResult result = Exploration.Of(id, new ExplorationOptions { Vcpus = 2, Cpus = 2 });

        output.WriteLine($"{id}: {result.Verdict}, {result.Transitions} transitions");
        Assert.True(result.Complete);
        Assert.Empty(result.Violations);
    }

    [Fact]
    public void Before_5_1_a_machine_check_in_the_guest_lets_the_scheduler_run_under_the_guests_xcr0()
    {
        ExplorationOptions options = new() { Vcpus = 1, Cpus = 1, Events = HostEvents.MachineCheck };

        Assert.NotNull(Exploration.Of("kvm-vmx-5.0", options).Of(Invariant.HostXsaveUnderGuestXcr0));
        Assert.Null(Exploration.Of("kvm-vmx-5.7", options).Of(Invariant.HostXsaveUnderGuestXcr0));
    }

    [Fact]
    public void Without_nmis_no_real_protocol_since_5_8_violates_anything()
    {
        ExplorationOptions options = new() { Vcpus = 1, Cpus = 1, Events = HostEvents.All & ~HostEvents.Nmi & ~HostEvents.SetXsaveKeep };
        string[] old = ["kvm-vmx-5.0", "kvm-svm-5.0", "kvm-vmx-5.7"];
        foreach (SwitchProtocol protocol in SwitchProtocols.All.Where(protocol => protocol.Kind == ProtocolKind.Real
            && !old.Contains(protocol.Id)))
        {
            Assert.Empty(Exploration.Of(protocol.Id, options).Violations);
        }
    }

    [Fact]
    public void An_image_without_pkru_hides_the_pkru_that_kvm_keeps_until_the_vcpu_has_run()
    {
        // KVM_SET_XSAVE with XSTATE_BV[9] = 0 leaves vcpu->arch.pkru alone, but KVM_GET_XSAVE reports PKRU only if the stored image has the
        // bit.
        ExplorationOptions options = new()
        {
            Vcpus = 1,
            Cpus = 1,
            Events = HostEvents.GetXsave | HostEvents.SetXsave
            | HostEvents.SetXsaveKeep
        };
        ExplorationResult result = Exploration.Of("kvm-svm-5.8", options);

        Assert.Equal(
            ["ioctl(KVM_SET_XSAVE, PKRU = guest's)", "ioctl(KVM_SET_XSAVE, no PKRU)", "ioctl(KVM_GET_XSAVE)"],
            result.Of(Invariant.GuestPkruLost)!.Trace.Select(step => step.Step));
    }

    [Fact]
    public void The_shortest_trace_into_the_nmi_window_ends_with_an_nmi_right_after_the_guests_pkru_is_loaded()
    {
        ExplorationResult result = Exploration.Of("kvm-vmx-5.8", new ExplorationOptions { Vcpus = 1, Cpus = 1 });
        InvariantViolation violation = result.Of(Invariant.HostUserAccessUnderGuestPkru)!;

        TraceStep[] last = [.. violation.Trace.TakeLast(2)];
        Assert.Equal("PKRU: 0x55555554 (host) → 0x0 (initial)", last[0].Note);
        Assert.Equal("vcpu0", last[0].Actor);
        Assert.Equal("NMI: handler reads the user stack", last[1].Step);
        Assert.Equal("cpu0", last[1].Actor);
    }
}
