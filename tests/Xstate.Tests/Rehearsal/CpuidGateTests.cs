using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Artifacts.LibvirtSave;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// What a VMM refuses of the guest's CPUID before it asks KVM for anything is a step of its restore, told in its own words.
/// </summary>
public class CpuidGateTests
{
    private static readonly string[] Hosts =
        ["amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-cascadelake", "intel-haswell", "intel-icelake", "intel-sapphire-rapids",
            "intel-skylake-sp"];

    private static readonly string[] Kernels = ["5.10", "5.15", "6.1", "6.6", "6.8", "6.12", "6.18", "7.2"];

    [Theory]
    [InlineData("cloud-hypervisor", "leaf=0x07 (subleaf=0x00), register='EBX'",
        "Error checking cpu feature compatibility: Error checking CPUID compatibility")]
    [InlineData("cloud-hypervisor-50", "leaf=0x7 (subleaf=0x0), register='EBX'",
        "Error checking cpu feature compatibility': CpuidCheckCompatibility")]
    [InlineData("cloud-hypervisor-29", "leaf=0x7 (subleaf=0x0), register='EBX'",
        "Error checking cpu feature compatibility': CpuidCheckCompatibility")]
    public void Cloud_Hypervisor_refuses_a_guest_of_Sapphire_Rapids_on_Cascade_Lake(string vmm, string entry, string end)
    {
        TargetOutcome outcome = Rehearse(Guest("intel-sapphire-rapids", "6.8"), Host("intel-cascadelake", "6.8"), vmm);
        Assert.Equal((Verdict.Refused, "Cloud Hypervisor's CPUID comparison", Errno.None),
            (outcome.Verdict, outcome.RefusedCall, outcome.Errno));
        Finding finding = Assert.Single(outcome.Findings, finding => finding.Rule == Rules.GateRefuses);
        Assert.Contains(entry, finding.Message, StringComparison.Ordinal);
        Assert.EndsWith(end, finding.Message, StringComparison.Ordinal);
        Assert.Empty(outcome.Performed.Calls);
    }

    [Theory]
    [InlineData("qemu-10.0", "warning: host doesn't support requested feature: CPUID.07H:EBX.sha-ni [bit 29]")]
    [InlineData("qemu", "warning: host doesn't support requested feature: CPUID[eax=07h,ecx=00h].EBX.sha-ni [bit 29]")]
    public void QEMU_with_enforce_refuses_what_KVM_does_not_offer(string vmm, string warning)
    {
        CpuidTable guest = Guest("intel-icelake", "6.8");
        LinuxHost host = Host("intel-cascadelake", "6.8");
        TargetOutcome outcome = Rehearse(guest, host, vmm, GuestCpuPolicy.Enforce);
        Assert.Equal((Verdict.Refused, "QEMU's enforce"), (outcome.Verdict, outcome.RefusedCall));
        Finding finding = Assert.Single(outcome.Findings, finding => finding.Rule == Rules.GateRefuses);
        Assert.Contains(warning, finding.Message, StringComparison.Ordinal);
        Assert.EndsWith("Host doesn't support requested features", finding.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Rehearse(guest, host, vmm).Findings, finding => finding.Rule == Rules.GateRefuses);
    }

    [Fact]
    public void Libvirt_with_check_full_names_the_missing_features()
    {
        TargetOutcome outcome = Rehearse(Guest("amd-genoa", "6.8"), Host("amd-milan", "6.8"), "qemu", GuestCpuPolicy.Full);
        Assert.Equal((Verdict.Refused, "libvirt's check='full'"), (outcome.Verdict, outcome.RefusedCall));
        Finding finding = Assert.Single(outcome.Findings, finding => finding.Rule == Rules.GateRefuses);
        Assert.Contains("operation failed: guest CPU doesn't match specification: missing features: ", finding.Message,
            StringComparison.Ordinal);
        Assert.Contains("avx512vbmi", finding.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_cookie_of_a_libvirt_save_says_whether_libvirt_checks()
    {
        using MemoryStream file = new(new SaveBuilder { DomainType = "kvm" }.Build(StreamBuilder.Kvm()));
        Capture capture = Artifact.Open(file).Capture!;
        Assert.Equal(new SavedCpu("custom", "full"), capture.SavedCpu);
        LinuxHost host = Host("amd-milan", "6.8");
        RehearsalOptions options = new() { GuestCpuid = Guest("amd-genoa", "6.8") };
        capture = capture with
        {
            States = [.. capture.States.Select(state =>
            state with { GuestCpuid = new Fact<CpuidTable>(options.GuestCpuid, FactSource.Given, "the test") })]
        };
        options = options with { Vmm = Restorers.Default };
        Assert.Equal("libvirt's check='full'", RestoreRehearsal.Perform(capture, host, options).RefusedCall);
        Assert.NotEqual("libvirt's check='full'", RestoreRehearsal.Perform(capture with { SavedCpu = new SavedCpu("custom", "none") },
            host, options).RefusedCall);
        Assert.NotEqual("libvirt's check='full'",
            RestoreRehearsal.Perform(capture, host, options with { GuestCpu = GuestCpuPolicy.AsSaved }).RefusedCall);
    }

    // Cloud Hypervisor's rows, written again: leaf, sub-leaf, register, and what it sets on both sides or KVM by the guest's state.
    private static readonly (uint Leaf, uint Subleaf, CpuidRegister Register, uint Without)[] Compared =
    [
        (1, 0, CpuidRegister.Ecx, 0x8900_0000), (1, 0, CpuidRegister.Edx, 0x1000_1200), (7, 0, CpuidRegister.Ebx, 0),
            (7, 0, CpuidRegister.Ecx, 0x10),
        (7, 0, CpuidRegister.Edx, 0), (7, 1, CpuidRegister.Eax, 0), (0x8000_0001, 0, CpuidRegister.Ecx, 0),
            (0x8000_0001, 0, CpuidRegister.Edx, 0x200),
    ];

    [Fact]
    public void Seeded_moves_are_refused_where_a_compared_bit_is_missing_and_nowhere_else()
    {
        SplitMix64 random = new(0x6A7E);
        int refused = 0;
        int passed = 0;
        for (int i = 0; i < 120; i++)
        {
            string made = random.Pick(Hosts);
            string madeOn = random.Pick(Kernels);
            string target = random.OneIn(2) ? made : random.Pick(Hosts);
            LinuxHost host = Host(target, random.Pick(Kernels));
            CpuidTable guest = Guest(made, madeOn);
            CpuidTable offered = SupportedCpuid.Of(host, guest.UserComponents.Contains(StateComponent.TileData)
                ? host.UserFeatures : host.DefaultUserFeatures);
            bool lacks = guest.Read(7).Eax > offered.Read(7).Eax || Compared.Any(row =>
                (guest.Read(row.Leaf, row.Subleaf)[row.Register] & ~offered.Read(row.Leaf, row.Subleaf)[row.Register] & ~row.Without) != 0);
            TargetOutcome outcome = Rehearse(guest, host, random.Pick<string>("cloud-hypervisor-50", "cloud-hypervisor-29"));
            Assert.True(lacks == outcome.Findings.Any(finding => finding.Rule == Rules.GateRefuses),
                $"{made}@{madeOn} on {target}@{host.Behavior}: {lacks}");
            refused += lacks ? 1 : 0;
            passed += lacks ? 0 : 1;
        }

        Assert.True(refused >= 10 && passed >= 10, $"{refused} refused, {passed} pass");
    }

    [Fact]
    public void No_VMM_refuses_a_guest_where_it_was_made()
    {
        foreach (string name in Hosts)
        {
            foreach (string kernel in Kernels)
            {
                CpuidTable guest = Guest(name, kernel);
                LinuxHost host = Host(name, kernel);
                foreach ((string vmm, GuestCpuPolicy? policy) in ((string, GuestCpuPolicy?)[])[("cloud-hypervisor", null),
                    ("qemu", GuestCpuPolicy.Enforce), ("qemu", GuestCpuPolicy.Full), ("qemu", GuestCpuPolicy.Host)])
                {
                    TargetOutcome outcome = Rehearse(guest, host, vmm, policy);
                    Assert.True(outcome.Verdict == Verdict.Same,
                        $"{name}@{kernel} by {vmm} {policy}: {string.Join("; ", outcome.Findings.Select(finding => finding.Message))}");
                }
            }
        }
    }

    [Fact]
    public void What_only_later_releases_compare_hangs_on_the_release()
    {
        // A speculation control of leaf 0x7.2 that the target lacks: nothing else differs.
        LinuxHost host = Host("intel-icelake", "6.12");
        CpuidTable guest = Guest("intel-icelake", "6.12");
        guest = guest.With(7, 0, guest.Read(7) with { Eax = 0 }).With(7, 2, new CpuidRegisters(0, 0, 0, 1));
        Assert.Equal(0u, host.Record.Cpuid.Read(7, 2).Edx & 1);
        TargetOutcome outcome = Rehearse(guest, host, "cloud-hypervisor");
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        Dependency release = Assert.Single(outcome.DependsOn);
        Assert.Equal(("vmm", "built since August 2026", "up to 53"), (release.Fact, release.Outcomes[0].Value, release.Outcomes[1].Value));
        Assert.Equal((Verdict.Refused, Verdict.Same), (release.Outcomes[0].Verdict, release.Outcomes[1].Verdict));
        Assert.Equal(Verdict.Same, Rehearse(guest, host, "cloud-hypervisor-50").Verdict);
    }

    [Theory]
    [InlineData("6.12", null, Verdict.Unknown)]
    [InlineData("6.12", 0x0830_1051u, Verdict.Refused)]
    [InlineData("6.12", 0x0830_1052u, Verdict.Same)]
    [InlineData("6.6", null, Verdict.Refused)]
    [InlineData("5.10.174", null, Verdict.Same)]
    public void XSAVES_of_Zen_2_under_enforce_hangs_on_the_microcode(string kernel, uint? microcode, Verdict verdict)
    {
        CpuidTable guest = Guest("amd-rome", "5.10.174");
        LinuxHost host = Host("amd-rome", kernel);
        host = new LinuxHost(host.Record with { Microcode = microcode }, host.Behavior);
        TargetOutcome outcome = Rehearse(guest, host, "qemu", GuestCpuPolicy.Enforce);
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Unknown, outcome.DependsOn.Any(dependency => dependency.Fact == "microcode"));
        if (verdict == Verdict.Unknown)
        {
            Dependency dependency = Assert.Single(outcome.DependsOn);
            Assert.Equal([("old", Verdict.Refused), ("fixed", Verdict.Same)],
                dependency.Outcomes.Select(under => (under.Value, under.Verdict)));
        }
    }

    [Theory]
    [InlineData("5.14.0-427.13.1.el9_4.x86_64", Verdict.Unknown)]
    [InlineData("4.18.0-553.el8_10", Verdict.Unknown)]
    [InlineData("6.1.0-13-amd64", Verdict.Refused)]
    [InlineData("6.1.0-47-amd64", Verdict.Refused)]
    [InlineData("6.8.0-60-generic", Verdict.Same)]
    [InlineData("linux-6.1.90", Verdict.Refused)]
    [InlineData("linux-6.2", Verdict.Same)]
    public void What_a_distribution_can_have_added_to_KVM_s_offer_is_not_guessed(string kernel, Verdict verdict)
    {
        // AVX_IFMA came to KVM with 6.2: Debian's 6.1 lacks it, of RHEL nobody knows.
        HostRecord record = SampleHosts.Open("intel-sapphire-rapids");
        record = record with { Cpuid = record.Cpuid.With(7, 1, CpuidFeatures.AvxIfma.SetIn(record.Cpuid.Read(7, 1), present: true)) };
        LinuxHost made = new(record, KernelBehavior.Of(new KernelRelease(6, 2)));
        Assert.True(Xstate.Hypervisors.Kernels.KernelNames.TryRead(kernel, Xstate.Hypervisors.Kernels.KernelEvidence.None,
            out KernelBehavior? behavior, out string error), error);
        CpuidTable guest = SupportedCpuid.Of(new LinuxHost(record, KernelBehavior.Of(new KernelRelease(5, 10))), made.DefaultUserFeatures);
        guest = guest.With(7, 1, CpuidFeatures.AvxIfma.SetIn(guest.Read(7, 1), present: true));
        TargetOutcome outcome = Rehearse(guest, new LinuxHost(record, behavior), "qemu", GuestCpuPolicy.Enforce);
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Unknown, outcome.DependsOn.Any(dependency => dependency.Fact == "kvm-cpuid"));
    }

    [Theory]
    [InlineData("amd-milan", "amd-genoa", true)]
    [InlineData("intel-icelake", "intel-sapphire-rapids", true)]
    [InlineData("intel-skylake-sp", "intel-cascadelake", false)]
    [InlineData("intel-haswell", "amd-turin", true)]
    [InlineData("amd-genoa", "amd-genoa", false)]
    public void Host_passthrough_gives_the_guest_the_target_s_processor(string made, string target, bool changes)
    {
        CpuidTable guest = Guest(made, "6.8");
        TargetOutcome outcome = Rehearse(guest, Host(target, "6.8"), "qemu", GuestCpuPolicy.Host);
        Assert.Equal(changes, outcome.Findings.Any(finding => finding.Rule == Rules.ProcessorBecomesTargets));
        Assert.True(!changes || outcome.Verdict >= Verdict.Differs, outcome.Verdict.ToString());

        // A CPU that was saved is the guest's own wherever it runs.
        Assert.DoesNotContain(Rehearse(guest, Host(target, "6.8"), "qemu").Findings,
            finding => finding.Rule == Rules.ProcessorBecomesTargets);
        Assert.DoesNotContain(Rehearse(guest, Host(target, "6.8"), "firecracker").Findings,
            finding => finding.Rule == Rules.ProcessorBecomesTargets);
    }

    [Fact]
    public void A_processor_s_own_table_is_no_guest_s_and_is_not_compared()
    {
        TargetOutcome outcome = Rehearse(SampleHosts.Open("intel-haswell").Cpuid, Host("intel-haswell", "6.8"), "cloud-hypervisor");
        Assert.Contains(outcome.Findings, finding => finding.Rule == Rules.GateNotRehearsed);
        Assert.DoesNotContain(outcome.Findings, finding => finding.Rule == Rules.GateRefuses);
    }

    private static TargetOutcome Rehearse(CpuidTable guest, LinuxHost host, string vmm, GuestCpuPolicy? policy = null)
    {
        SplitMix64 random = new(0x6A7E);
        Capture capture = RawImage.Capture(RawImage.Of(ref random, LayoutFamily.All[0], StateComponentSet.Empty, 0));
        CapturedState state = capture.States[0] with
        {
            GuestCpuid = new Fact<CpuidTable>(guest, FactSource.Artifact, "the test"),
            Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Artifact, "the test"),
            Xss = new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Given, "the test"),
        };
        return RestoreRehearsal.Perform(capture with { States = [state] }, host,
            new RehearsalOptions { Vmm = Restorers.Find(vmm)!, GuestCpu = policy });
    }

    private static CpuidTable Guest(string made, string kernel)
    {
        LinuxHost host = Host(made, kernel);
        return SupportedCpuid.Of(host, host.DefaultUserFeatures);
    }

    private static LinuxHost Host(string name, string kernel) => CetGuest.Host(name, kernel);
}
