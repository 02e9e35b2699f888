using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Rehearsal;

/// <summary>What becomes of QEMU streams on KVM and under TCG; the outcomes are those that QEMU 7.2 and 10.0 were seen to have.</summary>
public class StoredRegistersRehearsalTests
{
    private static readonly BuiltCpu AvxOnly = new(5, 7, 0) { PhysicalX87 = true, VectorBytes = 32 };

    [Fact]
    public void Kvm_loses_every_register_of_a_stream_whose_xstate_bv_is_zero()
    {
        TargetOutcome outcome = Rehearse(StreamBuilder.Tcg(), "amd-milan");
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0901");
        Assert.Contains(outcome.Differences, difference => difference is { Register: "fcw", Before: "0x77f", After: "0x37f" });
        Assert.Contains(outcome.Differences, difference => difference is { Register: "mxcsr", Before: "0x5f80", After: "0x1f80" });
        Assert.All(outcome.Differences.Where(difference => difference.Register.StartsWith("ymm", StringComparison.Ordinal)),
            difference => Assert.Equal(new string('0', 64), difference.After));
        Assert.Equal(16, outcome.Differences.Count(difference => difference.Register.StartsWith("ymm", StringComparison.Ordinal)));
        Assert.Equal(["Header", "X87Order"], outcome.Repairs.Select(step => step.Kind.ToString()));
    }

    [Fact]
    public void With_xstate_bv_alone_kvm_takes_the_x87_registers_in_the_wrong_order()
    {
        Capture capture = Open(StreamBuilder.Tcg());
        CapturedState state = capture.States[0];
        Capture half = capture with
        {
            States = [state with { Stored = state.Stored! with { XstateBv = new Fact<StateComponentSet>(
            new StateComponentSet(0x207), FactSource.Given, "test") } }]
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(half, Host("intel-skylake-sp", "6.12"));
        Assert.Equal(["st0", "st1", "st6", "st7"], outcome.Differences.Select(difference => difference.Register));
        Assert.Equal(Convert.ToHexStringLower(SeededGuest.St(5, 0)),
            outcome.Differences.Single(difference => difference.Register == "st6").After);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0903");
    }

    [Theory]
    [InlineData("intel-skylake-sp")]
    [InlineData("intel-sapphire-rapids")]
    [InlineData("amd-genoa")]
    public void A_repaired_stream_loads_the_same_and_is_not_repaired_again(string host)
    {
        byte[] stream = StreamBuilder.Tcg();
        TargetOutcome outcome = Rehearse(stream, host);
        Assert.Equal([RepairKind.Header, RepairKind.X87Order], outcome.Repairs.Select(step => step.Kind));
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(stream), Artifact.Open(new MemoryStream(stream))
            .Encode(outcome.Repaired!, new MemoryStream(stream)), output);
        Assert.Equal(Verdict.Same, Rehearse(output.ToArray(), host).Verdict);
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(0x207), 32),
            SeededGuest.Of(Open(output.ToArray()).States[0], new StateComponentSet(0x207)));
    }

    [Fact]
    public void A_stream_has_no_length_to_change_for_a_guest_with_tiles()
    {
        RehearsalOptions options = new() { GuestCpuid = SampleHosts.Open("intel-sapphire-rapids").Cpuid };
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(StreamBuilder.Tcg()), Host("intel-sapphire-rapids", "6.12"), options);
        Assert.Equal((Verdict.Repairable, "Header, X87Order"),
            (outcome.Verdict, string.Join(", ", outcome.Repairs.Select(step => step.Kind))));
    }

    [Fact]
    public void What_force_mended_is_not_called_repairable_again()
    {
        // The guest's CPUID has no PKU and its XCR0 has: KVM_SET_XCRS is refused, QEMU 7.2 goes on without it, and no repair of the area
        // changes that.
        RehearsalOptions options = new()
        {
            Vmm = Restorers.Find("qemu-7.2")!,
            GuestCpuid = SampleHosts.Open("intel-haswell").Cpuid,
            Force = true
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(StreamBuilder.Tcg()), Host("intel-sapphire-rapids", "6.12"), options);
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        TargetOutcome again = RestoreRehearsal.Perform(outcome.Repaired!, Host("intel-sapphire-rapids", "6.12"), options);
        Assert.Equal((Verdict.Differs, null), (again.Verdict, again.Repaired));
        Assert.Single(again.Differences);
    }

    [Theory]
    [InlineData("amd-genoa")]
    [InlineData("intel-icelake")]
    public void A_stream_of_kvm_has_no_foreign_offsets_on_any_host_with_its_components(string host)
    {
        TargetOutcome outcome = Rehearse(StreamBuilder.Kvm(), host);
        Assert.Equal(Verdict.Same, outcome.Verdict);
        Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id == "XS0504");
    }

    [Fact]
    public void A_component_in_xcr0_that_the_host_lacks_stops_qemu_10_and_not_qemu_7()
    {
        TargetOutcome ten = Rehearse(StreamBuilder.Tcg(), "intel-haswell", "qemu-10.0");
        Assert.Equal((Verdict.Refused, "KVM_SET_XCRS", Errno.EINVAL), (ten.Verdict, ten.RefusedCall, ten.Errno));
        Assert.Contains(ten.Findings, finding => finding.Rule.Id == "XS0202");
        TargetOutcome seven = Rehearse(StreamBuilder.Tcg(), "intel-haswell", "qemu-7.2");
        Assert.Equal((Verdict.Differs, "KVM_SET_XCRS"), (seven.Verdict, seven.RefusedCall));
        Assert.Contains(seven.Findings, finding => finding.Rule.Id == "XS0602");
        Assert.Contains(seven.Differences, difference => difference is { Register: "xcr0", Before: "0x207", After: "0x1" });
    }

    [Fact]
    public void Qemu_7_leaves_out_what_kvm_hides_and_later_versions_do_not()
    {
        // kvm_pvm announces neither AVX nor what builds on it, and its guests have both.
        TargetOutcome seven = Rehearse(StreamBuilder.Kvm(), "amd-zen4-pvm", "qemu-7.2");
        Assert.Contains(seven.Findings, finding => finding is { Rule.Id: "XS0910", Where.Vcpu: 0 });
        Assert.Equal(Verdict.Differs, seven.Verdict);
        Assert.Equal(40, seven.Differences.Length);
        RegisterDifference zmm3 = seven.Differences.Single(difference => difference.Register == "zmm3");
        Assert.Equal(zmm3.Before[..32] + new string('0', 96), zmm3.After);
        TargetOutcome ten = Rehearse(StreamBuilder.Kvm(), "amd-zen4-pvm", "qemu-10.0");
        Assert.Equal(Verdict.Same, ten.Verdict);
        Assert.DoesNotContain(ten.Findings, finding => finding.Rule.Id == "XS0910");
    }

    [Fact]
    public void A_file_that_names_TCG_is_restored_by_TCG_and_repaired_for_KVM_with_force_only()
    {
        // N2: fix turned the x87 stack for KVM each time, and the file still said TCG.
        Capture saved = Open(StreamBuilder.Tcg()) with
        {
            RestoredBy = new Fact<Accelerator>(Accelerator.Tcg, FactSource.Artifact,
            "the domain's type is qemu")
        };
        SplitMix64 random = new(0x4E2);
        for (int i = 0; i < 12; i++)
        {
            byte[] area = saved.States[0].Area.ToArray();
            random.Fill(area.AsSpan(XsaveFormat.StOffset..XsaveFormat.XmmOffset));
            area[3] = (byte)((area[3] & ~0x38) | (1 + random.Below(7)) << 3);
            Capture capture = saved with { States = [saved.States[0] with { Area = area }] };
            LinuxHost host = Host(random.Pick<string>("intel-icelake", "amd-genoa", "intel-sapphire-rapids"),
                random.Pick<string>("6.1", "6.12", "6.18"));

            TargetOutcome asNamed = RestoreRehearsal.Perform(capture, host);
            Assert.Equal((Verdict.Same, "qemu-tcg"), (asNamed.Verdict, asNamed.Vmm.Id));
            TargetOutcome other = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = Restorers.Find("qemu") });
            Assert.Contains(other.Findings, finding => finding.Rule.Id == "XS0730");
            Assert.Null(other.Repaired);
            Assert.NotEqual(Verdict.Same, other.Verdict);
            Assert.NotNull(RestoreRehearsal.Perform(capture, host,
                new RehearsalOptions { Vmm = Restorers.Find("qemu"), Force = true }).Repaired);
        }
    }

    [Fact]
    public void What_the_guest_had_enabled_is_dropped_with_force_only()
    {
        TargetOutcome kept = Rehearse(StreamBuilder.Tcg(), "intel-haswell");
        Assert.Null(kept.Repaired);
        Assert.Contains(kept.Findings, finding => finding is { Rule.Id: "XS0506", Where.Register: "xcr0" });
        TargetOutcome dropped = RestoreRehearsal.Perform(Open(StreamBuilder.Tcg()), Host("intel-haswell", "6.12"),
            new RehearsalOptions { Force = true });
        Assert.Equal((7UL, 7UL), (dropped.Repaired!.States[0].Xcr0!.Value.Bits, dropped.Repaired.States[0].Stored!.XstateBv.Value.Bits));
        Assert.Contains(dropped.Repairs, step => step.LosesState);
    }

    [Theory]
    [InlineData(0x67UL, 0x7UL)]
    [InlineData(0xE3UL, 0x3UL)]
    [InlineData(0xE7UL, 0xE7UL)]
    public void What_depends_on_a_dropped_component_of_xcr0_is_dropped_with_it(ulong destination, ulong left)
    {
        CapturedState state = Open(StreamBuilder.Kvm()).States[0];
        RepairTarget target = new(state.Layout!.Value, new StateComponentSet(destination), Mxcsr.IntelMask, 4096);
        Assert.Equal(left, RestoreRepair.Apply(state, target, new StateComponentSet(0xE7), force: true).Value.Xcr0!.Value.Bits);
    }

    [Fact]
    public void Tcg_takes_its_own_stream_and_turns_the_x87_stack_of_one_of_kvm()
    {
        Assert.Equal(Verdict.Same, Rehearse(StreamBuilder.Tcg(), "qemu-tcg-max", "qemu-tcg").Verdict);
        byte[] stream = new StreamBuilder().Cpu(AvxOnly with { PhysicalX87 = false, XstateBv = 7 }).Build([]);
        TargetOutcome outcome = Rehearse(stream, "qemu-tcg-max", "qemu-tcg");
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.Equal(["st0", "st1", "st2", "st3"], outcome.Differences.Select(difference => difference.Register));
        Assert.Equal(Convert.ToHexStringLower(SeededGuest.St(5, 0)), outcome.Differences[2].After);
        Assert.Equal(X87Order.Physical, outcome.Repaired!.States[0].Stored!.X87Order.Value);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(outcome.Repaired, Host("qemu-tcg-max", "6.12"),
            new RehearsalOptions { Vmm = Restorers.Find("qemu-tcg")! }).Verdict);
    }

    [Fact]
    public void Tcg_refuses_a_stream_with_the_clock_device_of_kvm()
    {
        TargetOutcome outcome = Rehearse(StreamBuilder.Kvm(), "qemu-tcg-max", "qemu-tcg");
        Assert.Equal(Verdict.Refused, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0909");
    }

    [Fact]
    public void With_force_the_clock_device_is_left_out_and_tcg_loads_the_rest()
    {
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(StreamBuilder.Kvm()), Host("qemu-tcg-max", "6.12"),
            new RehearsalOptions { Vmm = Restorers.Find("qemu-tcg")!, Force = true });
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.True(Assert.Single(outcome.Repairs, step => step.Kind == RepairKind.Device).LosesState);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(outcome.Repaired!, Host("qemu-tcg-max", "6.12"),
            new RehearsalOptions { Vmm = Restorers.Find("qemu-tcg")! }).Verdict);
    }

    private static TargetOutcome Rehearse(byte[] stream, string host, string vmm = "qemu") =>
        RestoreRehearsal.Perform(Open(stream), Host(host, "6.12"), new RehearsalOptions { Vmm = Restorers.Find(vmm)! });

    private static Capture Open(byte[] stream) => Artifact.Open(new MemoryStream(stream)).Capture!;

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name), KernelBehavior.Of(release));
    }
}
