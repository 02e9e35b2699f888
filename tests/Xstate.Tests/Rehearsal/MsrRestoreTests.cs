using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors.Kvm;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Tests.Rehearsal;

/// <summary>KVM_SET_MSRS as VMMs call it: one list in an order of its own, zeros included, ended by the first refusal.</summary>
public class MsrRestoreTests
{
    private static readonly string[] Hosts = ["intel-sapphire-rapids", "intel-icelake", "intel-haswell", "amd-turin", "amd-genoa",
        "amd-rome"];

    private static readonly string[] Kernels = ["5.10", "5.15", "6.1", "6.8", "6.12", "6.17", "6.18", "7.0"];

    [Theory]
    [InlineData("firecracker", "6.12", "KVM_SET_MSRS processes 1 of 8: IA32_U_CET 0x0")]
    [InlineData("firecracker", "6.17", "KVM_SET_MSRS processes 1 of 8: IA32_U_CET 0x0")]
    [InlineData("dragonball", "6.17", "KVM_SET_MSRS processes 1 of 8: IA32_U_CET 0x0")]
    [InlineData("qemu", "6.12", "KVM_SET_MSRS processes 1 of 8: IA32_U_CET 0x0")]
    [InlineData("crosvm", "6.12", "KVM_SET_MSRS processes 0 of 8: IA32_U_CET 0x0")]
    public void A_zero_that_the_kernel_does_not_know_ends_the_restore(string vmm, string kernel, string message)
    {
        Capture capture = CetGuest.Of(CetGuest.Host("amd-turin", "6.18"), 0, [.. CetGuest.CetMsrs.Select(index => (index, 0UL))]);
        TargetOutcome outcome = Rehearse(capture, "amd-turin", kernel, vmm);
        Assert.Equal("KVM_SET_MSRS", outcome.RefusedCall);
        Assert.NotEqual(Verdict.Same, outcome.Verdict);
        Finding finding = Assert.Single(outcome.Findings, finding => finding.Rule.Id == "XS0403");
        Assert.StartsWith(message, finding.Message, StringComparison.Ordinal);
        Assert.Equal("ia32_u_cet", finding.Where.Register);
    }

    [Fact]
    public void A_repair_leaves_out_zeros_that_the_kernel_refuses_and_then_the_restore_is_the_same()
    {
        LinuxHost target = CetGuest.Host("amd-turin", "6.12");
        Capture capture = CetGuest.Of(target, 0, [.. CetGuest.CetMsrs.Select(index => (index, 0UL)), (0xC000_0080u, 0xD01UL)]);
        TargetOutcome outcome = Rehearse(capture, "amd-turin", "6.12", "firecracker");
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.Equal(7, outcome.Repairs.Count(step => step is { Kind: RepairKind.Msr, LosesState: false }));
        CapturedState repaired = outcome.Repaired!.States[0];
        Assert.Equal([0xC000_0080u], repaired.Msrs.Keys);
        Assert.NotNull(repaired.Xss);
        Assert.Equal(Verdict.Same, Rehearse(outcome.Repaired, "amd-turin", "6.12", "firecracker").Verdict);
    }

    [Fact]
    public void A_zero_that_the_kernel_refuses_does_no_harm_where_the_VMM_skips_it()
    {
        Capture capture = CetGuest.Of(CetGuest.Host("amd-turin", "6.12"), 0, [.. CetGuest.CetMsrs.Select(index => (index, 0UL))]);
        TargetOutcome outcome = Rehearse(capture, "amd-turin", "6.12", "cloud-hypervisor");
        Assert.Equal((Verdict.Same, 7),
            (outcome.Verdict, outcome.Performed.Calls.Single(call => call.Call == "KVM_SET_MSRS").UnsetMsrs.Length));
        Assert.Empty(outcome.Findings.Where(finding => finding.Severity == Severity.Error));
    }

    [Theory]
    [InlineData("intel-sapphire-rapids", "6.18", 0x1900UL, "qemu", "KVM_SET_MSRS processes 0 of 3: IA32_XSS 0x1900")]
    [InlineData("intel-sapphire-rapids", "6.17", 0x1800UL, "qemu", "KVM_SET_MSRS processes 0 of 3: IA32_XSS 0x1800")]
    [InlineData("intel-sapphire-rapids", "6.17", 0x1800UL, "firecracker", "KVM_SET_MSRS processes 0 of 3: IA32_XSS 0x1800")]
    [InlineData("intel-icelake", "6.18", 0x1800UL, "firecracker", "KVM_SET_MSRS processes 0 of 3: IA32_XSS 0x1800")]
    [InlineData("amd-turin", "6.12", 0x1800UL, "firecracker", "KVM_SET_MSRS processes 0 of 3: IA32_XSS 0x1800")]
    public void The_first_of_several_refused_MSRs_is_named_and_counted(string host, string kernel, ulong xss, string vmm, string message)
    {
        Capture capture = CetGuest.Of(CetGuest.Host("intel-sapphire-rapids", "6.18"), xss, (CetGuest.UserCet, 3),
            (CetGuest.Pl3Ssp, 0x7FFF_0000_1000));
        TargetOutcome outcome = Rehearse(capture, host, kernel, vmm);
        Assert.Equal((Verdict.Refused, "KVM_SET_MSRS"), (outcome.Verdict, outcome.RefusedCall));
        Finding refusal = Assert.Single(outcome.Findings, finding => finding.Message.StartsWith("KVM_SET_MSRS", StringComparison.Ordinal));
        Assert.Equal(("XS0402", "ia32_xss"), (refusal.Rule.Id, refusal.Where.Register));
        Assert.StartsWith(message, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void MSRs_that_the_model_does_not_know_count_where_the_snapshot_has_them()
    {
        Capture capture = CetGuest.Of(CetGuest.Host("amd-turin", "6.12"), 0x1800, (0x174, 1), (0x10, 2), (0xC000_0081, 3),
            (CetGuest.UserCet, 1));
        capture = capture with
        {
            States = [capture.States[0] with { MsrOrder = [0x174, 0xC000_0081, CetGuest.Xss, CetGuest.UserCet,
            0x10] }]
        };
        PerformedCall call = Rehearse(capture, "amd-turin", "6.12",
            "firecracker").Performed.Calls.Single(call => call.Call == "KVM_SET_MSRS");
        Assert.Equal(((5, 2), CetGuest.Xss), (call.MsrsProcessed!.Value, call.RefusedMsr!.Value.Index));
    }

    [Fact]
    public void A_VMM_that_skips_tells_of_each_MSR_why_the_kernel_refused_it()
    {
        (uint, ulong)[] msrs = [(CetGuest.UserCet, 3), (CetGuest.Pl3Ssp, 0x7FFF_0000_1000)];
        Capture shown = CetGuest.Of(CetGuest.Host("intel-sapphire-rapids", "6.18"), 0x1800, msrs);
        Assert.Equal("Cloud Hypervisor's CPUID comparison",
            Rehearse(shown, "intel-sapphire-rapids", "6.17", "cloud-hypervisor").RefusedCall);

        // A guest whose CPUID does not show CET gets past that comparison.
        Capture capture = CetGuest.Of(CetGuest.Host("intel-sapphire-rapids", "6.17"), 0x1800, msrs);
        TargetOutcome outcome = Rehearse(capture, "intel-sapphire-rapids", "6.17", "cloud-hypervisor");
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        (string, string?)[] reasons = [.. outcome.Findings.Where(finding => finding.Message.StartsWith("KVM_SET_MSRS",
            StringComparison.Ordinal)).Select(finding => (finding.Rule.Id, finding.Where.Register))];
        Assert.Equal([("XS0402", "ia32_xss"), ("XS0403", "ia32_u_cet"), ("XS0403", "ia32_pl3_ssp")], reasons);
        Assert.Equal(3, outcome.Findings.Count(finding => finding.Rule.Id == "XS1105"));
        Assert.Equal(["ia32_xss", "ia32_u_cet", "ia32_pl3_ssp"], outcome.Differences.Select(difference => difference.Register));
    }

    [Theory]
    [InlineData("firecracker-1.1", "XS0410")]
    [InlineData("stratovirt", "XS0411")]
    public void A_VMM_that_does_not_notice_resumes_the_guest_without_the_MSRs(string vmm, string rule)
    {
        Capture capture = CetGuest.Of(CetGuest.Host("amd-turin", "6.12"), 0x1800, (CetGuest.UserCet, 1));
        TargetOutcome outcome = Rehearse(capture, "amd-turin", "6.12", vmm);
        Assert.Equal((Verdict.Differs, null), (outcome.Verdict, outcome.RefusedCall));
        Assert.Equal(2, outcome.Findings.Count(finding => finding.Rule.Id == rule));
        Assert.Equal(["ia32_xss", "ia32_u_cet"], outcome.Differences.Select(difference => difference.Register));
    }

    [Fact]
    public void A_stream_gives_KVM_no_MSR_that_KVM_does_not_list()
    {
        // has_msr_xss of QEMU: the load goes on, and the guest finds 0.
        LinuxHost target = CetGuest.Host("intel-sapphire-rapids", "6.17");
        Capture capture = CetGuest.Of(target, 0x1800);
        CapturedState state = capture.States[0];
        StoredRegisters stored = new(
            new Fact<StateComponentSet>(state.ReadArea().XstateBv, FactSource.Artifact, "test"),
            new Fact<X87Order>(X87Order.StackTop, FactSource.Artifact, "test"),
            new Fact<Accelerator>(Accelerator.Kvm, FactSource.Artifact, "test"));
        TargetOutcome outcome = RestoreRehearsal.Perform(capture with { States = [state with { Stored = stored }] }, target,
            new RehearsalOptions { Vmm = Restorers.Default });
        Assert.Equal((Verdict.Differs, null), (outcome.Verdict, outcome.RefusedCall));
        Assert.Equal(new RegisterDifference(0, "ia32_xss", "0x1800", "0x0"), Assert.Single(outcome.Differences));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0411");
    }

    [Fact]
    public void A_zero_that_only_the_user_gave_is_no_MSR_of_the_snapshot()
    {
        Capture capture = CetGuest.Of(CetGuest.Host("amd-rome", "6.12"), null);
        CapturedState state = capture.States[0] with
        {
            Xfd = new Fact<StateComponentSet>(StateComponentSet.Empty, FactSource.Given,
            "--xfd")
        };
        Assert.Empty(SavedMsrs.Of(state));
        Assert.Equal(Verdict.Same, Rehearse(capture with { States = [state] }, "amd-rome", "5.15", "firecracker").Verdict);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void What_each_VMM_does_follows_from_what_the_kernel_says_of_each_MSR_alone(int seed)
    {
        SplitMix64 random = new((ulong)seed);
        LinuxHost host = CetGuest.Host(random.Pick<string>(Hosts), random.Pick<string>(Kernels));
        uint[] indices = [0x1C4, 0x1C5, .. CetGuest.CetMsrs];
        (uint, ulong)[] msrs = [.. indices.Where(_ => random.OneIn(2))
            .Select(index => (index, Value(index, new SplitMix64(random.Next()))))];
        ulong xss = random.Pick<ulong>([0, 0, 0x800, 0x1000, 0x1800, 0x1900]);
        Capture capture = CetGuest.Of(host, xss, [.. msrs.Where(msr => msr.Item1 != 0x1C4)]);
        Dictionary<uint, ulong> held = msrs.ToDictionary(msr => msr.Item1, msr => msr.Item2);
        held[CetGuest.Xss] = xss;
        if (held.TryGetValue(0x1C4, out ulong xfd))
        {
            capture = capture with
            {
                States = [capture.States[0] with { Xfd = new Fact<StateComponentSet>(new StateComponentSet(xfd),
                FactSource.Artifact, "test") }]
            };
        }

        // KVM_GET_MSR_INDEX_LIST's order, written out again.
        uint[] order = [.. ((uint[])[0x1C4, 0x1C5, 0xDA0, 0x6A0, 0x6A2, 0x6A4, 0x6A5, 0x6A6, 0x6A7, 0x6A8]).Where(held.ContainsKey)];
        uint[] refused = [.. order.Where(index => !Takes(host, capture, index, held[index]))];

        PerformedCall firecracker = Msrs(capture, host, "firecracker");
        Assert.Equal(refused.Length == 0, firecracker.Succeeded);
        Assert.Equal(refused.Length == 0 ? null : refused[0], firecracker.RefusedMsr?.Index);
        Assert.Equal((order.Length, refused.Length == 0 ? order.Length : Array.IndexOf(order, refused[0])), firecracker.MsrsProcessed);

        PerformedCall skipping = Msrs(capture, host, "cloud-hypervisor");
        Assert.True(skipping.Succeeded);
        Assert.Equal(refused, skipping.UnsetMsrs.Select(unset => unset.Msr.Index));

        // crosvm leaves alone what reads back as the value that it has.
        uint[] asked = [.. refused.Order().Where(index => held[index] != 0 || !Reads(host, capture, index))];
        Assert.Equal(asked.Length == 0 ? null : asked[0], Msrs(capture, host, "crosvm").RefusedMsr?.Index);

        // Whatever VMM: where nothing differs, every MSR has its value.
        foreach (Restorer restorer in Restorers.All.Where(restorer => restorer is KvmRestorer))
        {
            TargetOutcome outcome = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = restorer });
            foreach (RestoredVcpu restored in outcome.Verdict == Verdict.Same ? outcome.Performed.Vcpus : [])
            {
                Assert.All(held, msr => Assert.True(Value(restored.Vcpu, msr.Key) == msr.Value, $"{restorer.Id}: MSR 0x{msr.Key:x}"));
            }
        }
    }

    public static TheoryData<int> Seeds => [.. Enumerable.Range(1, 40)];

    private static ulong Value(uint index, SplitMix64 random) => random.OneIn(2) ? 0 : index switch
    {
        0x1C4 or 0x1C5 => random.Pick<ulong>([1UL << 18, 1UL << 9]),
        0x6A0 or 0x6A2 => random.Pick<ulong>([1, 3, 4, 0x40]),
        _ => random.Pick<ulong>([0x7FFF_0000_1000, 0x7FFF_0000_1001, 0x8000_0000_0000_0000]),
    };

    private static PerformedCall Msrs(Capture capture, LinuxHost host, string vmm)
    {
        using KvmModelMachine machine = new(host);
        KvmRestorer restorer = (KvmRestorer)Restorers.Find(vmm)!;
        PerformedRestore performed = RestorePlan.Perform(machine, restorer.Prepare(capture, host), CpuidTable.Empty, restorer);
        return performed.Calls.Single(call => call.Call == "KVM_SET_MSRS");
    }

    private static bool Takes(LinuxHost host, Capture capture, uint index, ulong value)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(capture.States[0].GuestCpuid!.Value.Entries.AsSpan());
        vcpu.SetMsr(index, value, out int count);
        return count == 1;
    }

    private static bool Reads(LinuxHost host, Capture capture, uint index)
    {
        KvmModelVcpu vcpu = KvmModelMachine.CreateVcpu(host);
        vcpu.SetCpuid2(capture.States[0].GuestCpuid!.Value.Entries.AsSpan());
        vcpu.GetMsr(index, out int count, out _);
        return count == 1;
    }

    private static ulong Value(IKvmVcpu vcpu, uint index)
    {
        vcpu.GetMsr(index, out _, out ulong value);
        return value;
    }

    private static TargetOutcome Rehearse(Capture capture, string host, string kernel, string vmm) =>
        RestoreRehearsal.Perform(capture, CetGuest.Host(host, kernel), new RehearsalOptions { Vmm = Restorers.Find(vmm)! });
}
