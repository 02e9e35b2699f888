using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Artifacts.Criu;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

public class ProcessRehearsalTests
{
    [Theory]
    [InlineData("amd-genoa")]
    [InlineData("amd-turin")]
    [InlineData("intel-sapphire-rapids")]
    [InlineData("intel-icelake")]
    public void An_image_has_no_offsets_so_AVX_512_moves_between_vendors(string host)
    {
        foreach (string name in (string[])["core-2539.img", "core-2541.img", "core-2542.img"])
        {
            TargetOutcome outcome = RestoreRehearsal.Perform(Sample(name).Capture!, Host(host));
            Assert.Equal((Verdict.Same, "criu"), (outcome.Verdict, outcome.Vmm.Id));
            Assert.Empty(outcome.Differences);
            Assert.Empty(outcome.Findings);
        }
    }

    [Fact]
    public void A_component_that_the_target_lacks_is_dropped_without_a_word_and_told_here()
    {
        TargetOutcome full = RestoreRehearsal.Perform(Sample("core-2539.img").Capture!, Host("amd-rome"));
        Assert.Equal(Verdict.Differs, full.Verdict);
        Assert.Null(full.RefusedCall);
        Assert.Contains(full.Findings, finding => finding.Rule.Id == "XS1005");
        Assert.Equal(40, full.Differences.Length);
        RegisterDifference zmm5 = full.Differences.Single(difference => difference.Register == "zmm5");
        Assert.Equal(zmm5.Before[..64] + new string('0', 64), zmm5.After);
        Assert.Contains(full.Findings, finding => finding.Rule.Id == "XS0506");

        // The threads that did not use AVX-512 lose nothing.
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(Sample("core-2541.img").Capture!, Host("amd-rome")).Verdict);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(Sample("core-2542.img").Capture!, Host("amd-rome")).Verdict);
    }

    [Fact]
    public void An_MXCSR_bit_that_the_target_lacks_kills_the_thread_and_a_repair_masks_it()
    {
        CoreImageBuilder builder = new() { XstateBv = 3 };
        builder.Scalars[6] = 0x2_1F80;
        builder.Scalars[7] = 0;
        Capture capture = Open(builder.Build()).Capture!;
        TargetOutcome outcome = RestoreRehearsal.Perform(capture, Host("intel-icelake"));
        Assert.Equal((Verdict.Repairable, "rt_sigreturn", Errno.None), (outcome.Verdict, outcome.RefusedCall, outcome.Errno));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS1007"
            && finding.Message.Contains("#GP", StringComparison.Ordinal));
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(outcome.Repaired!, Host("intel-icelake")).Verdict);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(capture, Host("amd-genoa")).Verdict);
    }

    [Fact]
    public void A_component_of_another_size_makes_CRIU_give_up()
    {
        // Rome lists PKRU with 64 bytes but has no protection keys, so CRIU leaves it alone; with them it would not.
        HostRecord rome = SampleHosts.Open("amd-rome");
        Capture capture = Open(new CoreImageBuilder { XstateBv = 0x203 }.With(StateComponent.Pkru, 4, 0).Build()).Capture!;
        TargetOutcome without = RestoreRehearsal.Perform(capture, new LinuxHost(rome, Kernel));
        Assert.Equal(Verdict.Differs, without.Verdict);
        Assert.Contains(without.Findings, finding => finding.Rule.Id == "XS1005");
        CpuidRegisters leaf7 = rome.Cpuid.Read(7);
        HostRecord keys = rome with { Cpuid = rome.Cpuid.With(7, 0, leaf7 with { Ecx = leaf7.Ecx | 1 << 3 }) };
        TargetOutcome with = RestoreRehearsal.Perform(capture, new LinuxHost(keys, Kernel));
        Assert.Equal((Verdict.Refused, "restore_fpu"), (with.Verdict, with.RefusedCall));
        Assert.Contains("64 bytes for pkru", Assert.Single(with.Findings.Where(finding => finding.Rule.Id == "XS1006")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_processor_without_FXSAVE_is_no_target()
    {
        HostRecord genoa = SampleHosts.Open("amd-genoa");
        CpuidRegisters leaf = genoa.Cpuid.Read(1);
        LinuxHost old = new(genoa with
        {
            Cpuid = genoa.Cpuid.With(1, 0,
            leaf with { Edx = leaf.Edx & ~(1u << 24), Ecx = leaf.Ecx & ~(1u << 26) })
        }, Host("amd-genoa").Behavior);
        TargetOutcome outcome = RestoreRehearsal.Perform(Sample("core-2539.img").Capture!, old);
        Assert.Equal(Verdict.Refused, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS1006"
            && finding.Message.Contains("FXSAVE", StringComparison.Ordinal));
    }

    [Fact]
    public void PKRU_comes_back_and_without_its_bit_becomes_zero()
    {
        Capture capture = Open(new CoreImageBuilder { XstateBv = 0x203 }.With(StateComponent.Pkru, 0x5555_5554, 0).Build()).Capture!;
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(capture, Host("intel-icelake")).Verdict);
        Capture none = Open(new CoreImageBuilder { XstateBv = 3 }.With(StateComponent.Pkru, 0).Build()).Capture!;
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(none, Host("intel-icelake")).Verdict);
    }

    [Fact]
    public void State_that_CRIU_does_not_carry_is_told()
    {
        Capture tiles = Open(new CoreImageBuilder { XstateBv = 0x6_0003 }.Build()).Capture!;
        Assert.Contains(RestoreRehearsal.Perform(tiles, Host("intel-sapphire-rapids")).Findings, finding => finding.Rule.Id == "XS1004");

        // Bound registers have a field; CRIU clears their bit in its own mask.
        Capture bounds = Open(new CoreImageBuilder { XstateBv = 0x1B }.With(StateComponent.BndRegs, 7).With(StateComponent.BndCsr, 0)
            .Build()).Capture!;
        TargetOutcome outcome = RestoreRehearsal.Perform(bounds, Host("intel-skylake-sp"));
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        Assert.Equal(["bnd0", "bnd1", "bnd2", "bnd3"], outcome.Differences.Select(difference => difference.Register));
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS1004");
    }

    [Fact]
    public void A_C_library_that_remembers_a_smaller_area_is_told_from_the_image_alone()
    {
        // The image's fields tell the processor that the process was started on: AVX and no more.
        Capture avx = Open(new CoreImageBuilder { XstateBv = 7 }.With(StateComponent.Avx, 1).Build()).Capture!;
        Finding hazard = Assert.Single(RestoreRehearsal.Perform(avx, Host("amd-genoa")).Findings);
        Assert.Equal(("XS1001", Severity.Error, "832 bytes", "2432 bytes"),
            (hazard.Rule.Id, hazard.Severity, hazard.Found, hazard.Expected));
        Assert.Contains("if its processor has XSAVEC", hazard.Message, StringComparison.Ordinal);
        Assert.Empty(RestoreRehearsal.Perform(avx, Host("amd-rome")).Findings);
        Assert.Empty(RestoreRehearsal.Perform(avx, Host("intel-haswell")).Findings);

        // AVX-512 needs the same room on every processor that has no MPX, because the linker saves in the compacted format.
        Capture wide = Sample("core-2539.img").Capture!;
        Assert.DoesNotContain(RestoreRehearsal.Perform(wide, Host("intel-sapphire-rapids")).Findings,
            finding => finding.Rule.Id == "XS1001");
        Finding mpx = Assert.Single(RestoreRehearsal.Perform(wide, Host("intel-skylake-sp")).Findings);
        Assert.Equal(("XS1001", "2432 bytes", "2496 bytes"), (mpx.Rule.Id, mpx.Found, mpx.Expected));
    }

    [Fact]
    public void cpuinfo_answers_what_criu_cpuinfo_check_cannot()
    {
        CpuidDump zen4 = Sample("cpuinfo.img").Cpuid!;
        TargetOutcome toIntel = RestoreRehearsal.Perform(ProcessRehearsal.ProbeOf(zen4), Host("intel-sapphire-rapids"));

        // criu refuses because the sizes differ; the registers come back and the C library has the room that it needs.
        Assert.Equal(Verdict.Same, toIntel.Verdict);
        Assert.Contains(toIntel.Findings, finding => finding.Rule.Id == "XS1009" && finding.Severity == Severity.Info);
        Assert.DoesNotContain(toIntel.Findings, finding => finding.Rule.Id == "XS1001");
        Assert.Contains(toIntel.Findings, finding => finding.Rule.Id == "XS1008"
            && finding.Message.Contains("SSE4A", StringComparison.Ordinal));
        TargetOutcome toRome = RestoreRehearsal.Perform(ProcessRehearsal.ProbeOf(zen4), Host("amd-rome"));
        Assert.Equal(Verdict.Differs, toRome.Verdict);
        Assert.Contains(toRome.Findings, finding => finding.Rule.Id == "XS1005");

        // A processor without XSAVEC chooses the standard format, whose size depends on the vendor.
        byte[] broadwell = CoreImageBuilder.Cpuinfo(1, 6, 0x3D, 4, 2,
            [.. new uint[4], 1u << 26 | 1u << 28, .. new uint[5], 1, .. new uint[8]], 7, 832, 832);
        Finding hazard = RestoreRehearsal.Perform(ProcessRehearsal.ProbeOf(Open(broadwell).Cpuid!),
            Host("amd-genoa")).Findings.Single(finding => finding.Rule.Id == "XS1001");
        Assert.Equal(("832 bytes", "2432 bytes"), (hazard.Found, hazard.Expected));
        Assert.Contains("XSAVE on", hazard.Message, StringComparison.Ordinal);

        // And the other way round the instruction itself is missing.
        Finding xsavec = RestoreRehearsal.Perform(ProcessRehearsal.ProbeOf(zen4),
            Host("intel-haswell")).Findings.Single(finding => finding.Rule.Id == "XS1001");
        Assert.Contains("#UD", xsavec.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_CPUID_of_the_source_can_be_given_beside_a_core_image()
    {
        Capture wide = Sample("core-2539.img").Capture!;
        CpuidTable source = Sample("cpuinfo.img").Cpuid!.Cpuid;
        Capture told = wide with
        {
            States = [wide.States[0] with { GuestCpuid = new Fact<CpuidTable>(source, FactSource.Given,
            "cpuinfo.img") }]
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(told, Host("intel-sapphire-rapids"));
        Assert.Equal(Verdict.Same, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS1009");
    }

    private static KernelBehavior Kernel => KernelBehavior.Of(new KernelRelease(6, 12));

    private static LinuxHost Host(string name) => new(SampleHosts.Open(name), Kernel);

    private static Artifact Sample(string name) =>
        Open(File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data", name)));

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));
}
