using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>"The same" covers the instructions that the guest's CPUID promises.</summary>
public class GuestPromisesTests(ITestOutputHelper output)
{
    private static readonly string[] Hosts = ["amd-genoa", "amd-milan", "amd-rome", "amd-turin", "intel-cascadelake", "intel-haswell",
        "intel-icelake", "intel-sapphire-rapids", "intel-skylake-sp"];

    [Theory]
    [InlineData("intel-sapphire-rapids", "intel-cascadelake", "SHA")]
    [InlineData("intel-sapphire-rapids", "intel-icelake", "")]
    [InlineData("intel-icelake", "intel-cascadelake", "SHA")]
    [InlineData("amd-genoa", "amd-milan", "")]
    public void A_guest_that_was_promised_instructions_which_the_target_lacks_sees_a_difference(string made, string target, string missing)
    {
        // D2: it loaded "the same", and the guest died of SIGILL.
        TargetOutcome outcome = Move(made, target, "6.8", new StateComponentSet(7));
        Assert.NotEqual(Verdict.Same, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0508"
            && finding.Message.Contains(missing, StringComparison.Ordinal));
    }

    [Fact]
    public void Whenever_it_is_the_same_every_promised_instruction_is_there()
    {
        int same = 0;
        int differs = 0;
        foreach (string made in Hosts)
        {
            foreach (string target in Hosts)
            {
                TargetOutcome outcome = Move(made, target, "6.8", new StateComponentSet(7));
                CpuidTable promised = GuestOf(made, "6.8");
                CpuidTable there = SampleHosts.Open(target).Cpuid;
                bool[] lost = [.. CpuidFeatures.All.Where(feature => feature.Effect == FeatureEffect.Instructions && promised.Has(feature)
                    && !there.Has(feature)).Select(_ => true)];
                if (outcome.Verdict == Verdict.Same)
                {
                    same++;
                    Assert.True(lost.Length == 0 || (lost.Length == 1 && promised.Has(CpuidFeatures.Mmxext)), $"{made} to {target}");
                }

                differs += outcome.Findings.Any(finding => finding.Rule.Id == "XS0508") ? 1 : 0;
                if (made == target)
                {
                    Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id is "XS0508" or "XS0509" or "XS0511" or "XS0320");
                    Assert.Equal(Verdict.Same, outcome.Verdict);
                }
            }
        }

        output.WriteLine($"{same} are the same, {differs} lack instructions");
        Assert.True(differs >= 10);
        Assert.True(same >= Hosts.Length);
    }

    [Fact]
    public void Where_the_guest_s_CPUID_is_not_known_features_are_out_of_the_scope()
    {
        Capture bare = RawImage.Capture(SampleHosts.OpenCapture("stale-pkru").States[0].Area.ToArray());
        Assert.DoesNotContain(TargetOutcome.CpuidFeatures, RestoreRehearsal.Perform(bare, Host("amd-genoa", "6.12")).Scope);
        Assert.Contains(TargetOutcome.CpuidFeatures, Move("amd-genoa", "amd-genoa", "6.12", new StateComponentSet(7)).Scope);
    }

    [Fact]
    public void The_scope_names_features_exactly_where_the_guest_s_CPUID_is_known()
    {
        // N8: "the same" said more than was looked at.
        SplitMix64 random = new(0x4E38);
        string[] kernels = ["5.10", "5.15", "6.1.40", "6.6", "6.12", "6.18"];
        ImmutableArray<Restorer> vmms = [.. Restorers.All.Where(vmm => vmm is KvmRestorer)];
        for (int i = 0; i < 40; i++)
        {
            bool known = random.OneIn(2);
            Capture capture = Capture(GuestOf(random.Pick(Hosts), "6.8"), new StateComponentSet(7));
            capture = known ? capture : capture with { States = [capture.States[0] with { GuestCpuid = null }] };
            TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host(random.Pick(Hosts), random.Pick<string>(kernels)),
                new RehearsalOptions { Vmm = vmms[random.Below(vmms.Length)] });
            Assert.Equal(known, outcome.Scope.Contains(TargetOutcome.CpuidFeatures));
            Assert.Contains(TargetOutcome.ExtendedState, outcome.Scope);
            Assert.Contains(TargetOutcome.StateMsrs, outcome.Scope);
            Assert.True(known || !outcome.Findings.Any(finding => finding.Rule == Rules.PromisedInstructionsLacking
                || finding.Rule == Rules.GateRefuses));
        }
    }

    [Theory]
    [InlineData("INTEL_CASCADELAKE", "intel-cascadelake")]
    [InlineData("INTEL_ICELAKE", "intel-icelake")]
    [InlineData("INTEL_SAPPHIRE_RAPIDS", "intel-sapphire-rapids")]
    [InlineData("AMD_MILAN", "amd-milan")]
    [InlineData("AMD_GENOA", "amd-genoa")]
    [InlineData("INTEL_GRANITE_RAPIDS", "GenuineIntel00A06D1_GraniteRapids_03_CPUID.txt")]
    public void A_guest_that_Firecracker_made_is_promised_nothing_that_its_own_processor_lacks(string name, string target)
    {
        foreach (string file in Directory.GetFiles(Repository.Shared("data", "cpuid", "firecracker"), $"fingerprint_{name}_*host.json"))
        {
            using FileStream stream = File.OpenRead(file);
            CpuidTable guest = Artifact.Open(stream).Host!.Cpuid;
            string kernel = Path.GetFileName(file).Split('_')[^1].Replace("host.json", "", StringComparison.Ordinal);
            LinuxHost host = target.EndsWith(".txt", StringComparison.Ordinal) ? OfDump(target, kernel) : Host(target, kernel);
            TargetOutcome outcome = RestoreRehearsal.Perform(Capture(guest, new StateComponentSet(7)), host,
                new RehearsalOptions { Vmm = Restorers.Find("firecracker")! });
            Assert.True(outcome.Verdict == Verdict.Same,
                $"{Path.GetFileName(file)}: {outcome.Verdict} {string.Join("; ", outcome.Findings.Select(finding => finding.Message))}");
            Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id is "XS0508" or "XS0511" or "XS0320");
        }
    }

    [Theory]
    [InlineData("lab-debian-6.1.192", "qemu-tcg-max", "6.1.192")]
    [InlineData("lab-debian-6.12.107", "qemu-tcg-max", "6.12.107")]
    [InlineData("pvm-6.18-thismachine", "amd-zen4-pvm", "6.18")]
    public void What_KVM_of_a_host_reported_gives_a_guest_no_finding_there(string folder, string name, string kernel)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "kvm", folder, "kvm_cpuid2_supported.bin"));
        CpuidTable guest = Artifact.Open(stream).Cpuid!.Cpuid;
        Capture capture = Capture(guest, new StateComponentSet(7));
        capture = capture with { States = [capture.States[0] with { Xss = null }] };
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host(name, kernel));
        Assert.True(outcome.Verdict == Verdict.Same, string.Join("; ", outcome.Findings.Select(finding => finding.Message)));

        // That a guest of kvm_pvm keeps the host's CPUID is said of every one, and of the image that it has no PKRU.
        Assert.Empty(outcome.Findings
            .Where(finding => finding.Severity != Severity.Info && finding.Rule != Rules.FlavourNotModelled
                && finding.Rule != Rules.OldPkruKept)
            .Select(finding => finding.Message));
    }

    [Theory]
    [InlineData(0x202E7UL)]
    [InlineData(0x402E7UL)]
    [InlineData(0x27UL)]
    [InlineData(0x47UL)]
    [InlineData(0x87UL)]
    [InlineData(0x67UL)]
    [InlineData(0xA7UL)]
    [InlineData(0xC7UL)]
    [InlineData(0xFUL)]
    [InlineData(0x17UL)]
    [InlineData(0x8001FUL)]
    [InlineData(0xE3UL)]
    public void An_offer_that_no_XSETBV_takes_is_a_finding_and_boots_no_Linux(ulong offered)
    {
        CpuidTable cpuid = Offering(offered);
        TargetOutcome outcome = RestoreRehearsal.Perform(Capture(cpuid, new StateComponentSet(3)), Host("intel-sapphire-rapids", "6.12"));
        Assert.Contains(outcome.Findings, finding => finding is { Rule.Id: "XS0320", Severity: Severity.Error });
        GuestSignal signal = LinuxGuest.DeliverSignal(KernelBehavior.Of(new KernelRelease(6, 18)), cpuid.Read);
        Assert.False(signal.Delivered);
        Assert.Contains("#GP", signal.Explanation, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0x7UL)]
    [InlineData(0xE7UL)]
    [InlineData(0x2E7UL)]
    [InlineData(0x602E7UL)]
    [InlineData(0x1FUL)]
    [InlineData(0x80007UL)]
    public void An_offer_that_XSETBV_takes_whole_is_none(ulong offered)
    {
        CpuidTable cpuid = Offering(offered);
        Assert.Null(Xstate.Transforms.CpuidOffer.Check(cpuid, new FindingLocation()));
        GuestSignal signal = LinuxGuest.DeliverSignal(KernelBehavior.Of(new KernelRelease(6, 18)), cpuid.Read);
        Assert.True(signal.Delivered);
        Assert.Equal(offered, signal.Xcr0.Bits);
    }

    [Fact]
    public void A_Linux_guest_drops_components_whose_feature_bit_is_missing()
    {
        CpuidTable cpuid = Offering(0x602E7);
        CpuidTable hidden = cpuid.With(7, 0, CpuidFeatures.AmxTile.SetIn(CpuidFeatures.Pku.SetIn(cpuid.Read(7), present: false),
            present: false));
        Assert.Equal(0xE7UL, LinuxGuest.DeliverSignal(KernelBehavior.Of(new KernelRelease(6, 12)), hidden.Read).Xcr0.Bits);
        Assert.Equal(0x7UL, LinuxGuest.DeliverSignal(KernelBehavior.Of(new KernelRelease(6, 12)), Offering(0x80007).Read).Xcr0.Bits);
    }

    [Theory]
    [InlineData("intel-icelake", "intel-cascadelake", "LA57")]
    [InlineData("intel-sapphire-rapids", "intel-skylake-sp", "LA57")]
    [InlineData("intel-icelake", "amd-milan", "VMX")]
    [InlineData("amd-genoa", "intel-haswell", "SVM")]
    [InlineData("intel-haswell", "amd-rome", "PCID")]
    public void What_a_guest_may_have_turned_on_in_its_control_registers_is_a_warning(string made, string target, string feature)
    {
        TargetOutcome outcome = Move(made, target, "6.8", new StateComponentSet(7));
        Finding finding = Assert.Single(outcome.Findings, finding => finding.Rule == Rules.PromisedControlsLacking);
        Assert.Contains(feature, finding.Message, StringComparison.Ordinal);
        Assert.Equal(Severity.Warning, finding.Severity);
    }

    [Theory]
    [InlineData("PSE")]
    [InlineData("PAE")]
    [InlineData("PGE")]
    [InlineData("PSE36")]
    [InlineData("PCID")]
    [InlineData("SMEP")]
    [InlineData("LA57")]
    [InlineData("LAM")]
    [InlineData("LASS")]
    [InlineData("PDPE1GB")]
    [InlineData("NX")]
    // Not UMIP, which KVM emulates where the processor lacks it.
    public void What_only_control_registers_or_page_tables_turn_on_is_a_warning_alone(string name)
    {
        CpuidFeature feature = CpuidFeatures.All.Single(each => each.Name == name);
        LinuxHost whole = Host("intel-sapphire-rapids", "6.8");
        CpuidTable lacking = With(whole.Record.Cpuid, feature, present: false);
        LinuxHost target = new(whole.Record with { Cpuid = lacking, SupportedCpuid = null }, whole.Behavior);
        CpuidTable guest = With(GuestOf("intel-sapphire-rapids", "6.8"), feature, present: true);
        TargetOutcome outcome = RestoreRehearsal.Perform(Capture(guest, new StateComponentSet(7)), target);
        Assert.Equal(Verdict.Same, outcome.Verdict);
        Assert.Contains(name, Assert.Single(outcome.Findings, finding => finding.Rule == Rules.PromisedControlsLacking).Message,
            StringComparison.Ordinal);
        Assert.DoesNotContain(outcome.Findings, finding => finding.Rule == Rules.PromisedInstructionsLacking);
    }

    [Theory]
    [InlineData("6.12", true)]
    [InlineData("6.17", true)]
    [InlineData("6.18", false)]
    public void Shadow_stacks_that_KVM_does_not_give_are_a_broken_promise_though_the_processor_has_them(string kernel, bool broken)
    {
        LinuxHost made = new(SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(new KernelRelease(6, 18)));
        Capture capture = Capture(SupportedCpuid.Of(made, made.DefaultUserFeatures), new StateComponentSet(7));
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host("intel-sapphire-rapids", kernel));
        Assert.Equal(broken ? Verdict.Differs : Verdict.Same, outcome.Verdict);
        Assert.Equal(broken, outcome.Findings.Any(finding => finding.Rule == Rules.PromisedInstructionsLacking
            && finding.Message.Contains("CET_SS, CET_IBT, which the processor", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData(2u, 1u, Verdict.Differs)]
    [InlineData(1u, 1u, Verdict.Same)]
    [InlineData(1u, 2u, Verdict.Same)]
    public void A_later_AVX10_is_more_instructions_than_an_earlier_one(uint promised, uint there, Verdict verdict)
    {
        CpuidTable WithAvx10(CpuidTable cpuid, uint version) => cpuid
            .With(0, 0, cpuid.Read(0) with { Eax = 0x24 })
            .With(7, 1, CpuidFeatures.Avx10.SetIn(cpuid.Read(7, 1), present: true))
            .With(0x24, 0, new CpuidRegisters(0, 0x7_0000 | version, 0, 0));
        LinuxHost host = Host("intel-sapphire-rapids", "6.18");
        host = new LinuxHost(host.Record with { Cpuid = WithAvx10(host.Record.Cpuid, there) }, host.Behavior);
        TargetOutcome outcome = RestoreRehearsal.Perform(Capture(WithAvx10(GuestOf("intel-sapphire-rapids", "6.18"), promised),
            new StateComponentSet(7)), host);
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Equal(verdict == Verdict.Differs,
            outcome.Findings.Any(finding => finding.Message.Contains("AVX10.2, and", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("5.10", null, true)]
    [InlineData("6.6", null, true)]
    [InlineData("6.12", null, true)]
    [InlineData("6.12", 0x0830_1051u, true)]
    [InlineData("6.12", 0x0830_1052u, false)]
    [InlineData("5.10", 0x0830_1052u, false)]
    public void A_guest_with_XSAVES_on_Zen_2_is_warned_of_erratum_1386_unless_microcode_mends_it(string kernel, uint? microcode,
        bool warned)
    {
        Capture capture = Capture(GuestOf("amd-milan", "6.8"), new StateComponentSet(7));
        LinuxHost rome = Host("amd-rome", kernel);
        rome = new LinuxHost(rome.Record with { Microcode = microcode }, rome.Behavior);
        Finding? finding = RestoreRehearsal.Perform(capture,
            rome).Findings.SingleOrDefault(finding => finding.Rule == Rules.GuestUsesXsavesOfErratum1386);
        Assert.Equal((warned, warned && microcode is null),
            (finding is not null, finding?.Message.Contains("not recorded", StringComparison.Ordinal) ?? false));
        Assert.DoesNotContain(RestoreRehearsal.Perform(capture, Host("amd-milan", kernel)).Findings,
            finding => finding.Rule == Rules.GuestUsesXsavesOfErratum1386);

        // Made on that kernel the guest has no XSAVES, and nothing is to be said.
        Capture without = Capture(GuestOf("amd-milan", "6.8")
            .With(0xD, 1, CpuidFeatures.Xsaves.SetIn(GuestOf("amd-milan", "6.8").Read(0xD, 1), present: false)), new StateComponentSet(7));
        Assert.DoesNotContain(RestoreRehearsal.Perform(without, rome).Findings,
            finding => finding.Rule == Rules.GuestUsesXsavesOfErratum1386);
    }

    // Sapphire Rapids with other components in 0xD.0, and the features of all of them.
    private static CpuidTable Offering(ulong components)
    {
        CpuidTable cpuid = SampleHosts.Open("intel-sapphire-rapids").Cpuid;
        XsaveLayout layout = XsaveLayout.FromSlots(
            LayoutFamily.All[0].Layout.Slots.Append(LayoutFamily.All[1].Layout.Slots.Single(slot => slot.Component == StateComponent.Apx)));
        cpuid = cpuid.WithComponents(new StateComponentSet(components), StateComponentSet.Empty, layout);
        cpuid = cpuid.With(7, 0, CpuidFeatures.Pku.SetIn(cpuid.Read(7), present: false));
        foreach (StateComponent component in new StateComponentSet(components))
        {
            CpuidFeature feature = StateComponents.Get(component).Features[0];
            cpuid = cpuid.With(feature.Leaf, feature.Subleaf, feature.SetIn(cpuid.Read(feature.Leaf, feature.Subleaf), present: true));
        }

        return cpuid;
    }

    private static CpuidTable With(CpuidTable table, CpuidFeature feature, bool present) => table.With(feature.Leaf, feature.Subleaf,
        feature.SetIn(table.Read(feature.Leaf, feature.Subleaf), present));

    private static TargetOutcome Move(string made, string target, string kernel, StateComponentSet xcr0) =>
        RestoreRehearsal.Perform(Capture(GuestOf(made, kernel), xcr0), Host(target, kernel));

    private static CpuidTable GuestOf(string host, string kernel)
    {
        LinuxHost made = Host(host, kernel);
        return SupportedCpuid.Of(made, made.DefaultUserFeatures);
    }

    private static Capture Capture(CpuidTable guest, StateComponentSet xcr0)
    {
        SplitMix64 random = new(0xD2);
        byte[] area = RawImage.Of(ref random, LayoutFamily.All[0], xcr0.Except(StateComponentSet.Legacy), 0);
        CapturedState state = RawImage.Capture(area).States[0] with
        {
            GuestCpuid = new Fact<CpuidTable>(guest, FactSource.Artifact, "the test"),
            Xcr0 = new Fact<StateComponentSet>(xcr0, FactSource.Artifact, "the test"),
            Xss = new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Artifact, "the test"),
        };
        return RawImage.Capture(area) with { States = [state] };
    }

    private static LinuxHost OfDump(string file, string kernel)
    {
        using FileStream stream = File.OpenRead(Repository.Shared("data", "cpuid", "instlatx64", file));
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(new HostRecord
        {
            Name = file,
            Cpuid = Artifact.Open(stream).Cpuid!.Cpuid,
            Provenance = new Provenance(FactSource.Artifact, file)
        }, KernelBehavior.Of(release));
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name), KernelBehavior.Of(release));
    }
}
