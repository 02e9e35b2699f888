using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Tests.Artifacts.Criu;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// What becomes of a dumped process by the release of CRIU that restores it, and by what the target's kernel makes of CRIU's frames, shadow
/// stacks and signal stacks.
/// </summary>
public class CriuRestoreTests
{
    private const uint UserShadowStackPointer = 0x6A7;

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(1, 10).Select(seed => (ulong)seed)];

    [Theory]
    [InlineData("intel-icelake", "6.12.117", true)]
    [InlineData("intel-icelake", "6.16.3", false)]
    [InlineData("intel-icelake", "6.17.13", false)]
    [InlineData("intel-icelake", "6.18.15", false)]
    [InlineData("intel-icelake", "6.18.35", true)]
    [InlineData("intel-icelake", "6.19.14", false)]
    [InlineData("intel-icelake", "7.0.10", false)]
    [InlineData("intel-icelake", "7.0.12", true)]
    [InlineData("intel-icelake", "7.2.13", true)]
    [InlineData("intel-haswell", "6.17.13", true)]
    public void A_frame_smaller_than_the_hosts_loses_AVX_where_the_kernel_looks_at_its_own_size(string host, string kernel, bool kept)
    {
        foreach (ulong seed in Seeds)
        {
            SplitMix64 random = new(seed);
            CoreImageBuilder builder = new() { XstateBv = 7 };
            builder.With(StateComponent.Avx, [.. Enumerable.Range(0, 64).Select(_ => (ulong)(uint)random.Next() | 1)]);
            TargetOutcome outcome = Perform(Open(builder), Host(host, kernel));

            Assert.Equal(kept ? Verdict.Same : Verdict.Differs, outcome.Verdict);
            Assert.Equal(kept ? 0 : 16,
                outcome.Differences.Count(difference => difference.Register.StartsWith("ymm", StringComparison.Ordinal)));
            Assert.Equal(kept, !outcome.Findings.Any(finding => finding.Rule.Id == "XS1512"));
            if (!kept)
            {
                Finding finding = outcome.Findings.Single(finding => finding.Rule.Id == "XS1512");
                Assert.Equal(("832 bytes", "2696 bytes"), (finding.Found, finding.Expected));
            }
        }
    }

    [Fact]
    public void A_frame_as_large_as_the_hosts_is_kept_everywhere()
    {
        CoreImageBuilder builder = new() { XstateBv = 0x207 };
        builder.With(StateComponent.Avx, 0x22).With(StateComponent.Pkru, 4, 0);

        Assert.Equal(Verdict.Same, Perform(Open(builder), Host("intel-icelake", "6.17.13")).Verdict);
    }

    [Theory]
    [InlineData("3.17", "intel-haswell", Verdict.Same)]
    [InlineData("3.17.1", "intel-haswell", Verdict.Same)]
    [InlineData("3.18", "intel-haswell", Verdict.Differs)]
    [InlineData("4.2", "intel-haswell", Verdict.Differs)]
    [InlineData("3.17", "intel-skylake-sp", Verdict.Same)]
    [InlineData("4.2", "intel-skylake-sp", Verdict.Same)]
    public void MXCSR_goes_with_AVX_that_the_thread_does_not_use(string criu, string host, Verdict expected)
    {
        CoreImageBuilder builder = new() { XstateBv = 3 };
        builder.Scalars[6] = 0x3fa0;
        builder.With(StateComponent.Avx, 0);
        TargetOutcome outcome = Perform(Open(builder), Host(host, "6.12"), criu);

        Assert.Equal(expected, outcome.Verdict);
        Assert.Equal(expected == Verdict.Same ? [] : ["mxcsr"], outcome.Differences.Select(difference => difference.Register));
        Assert.Equal(expected == Verdict.Differs, outcome.Findings.Any(finding => finding.Rule.Id == "XS1013"));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void CRIU_up_to_3_17_restores_what_does_not_count(ulong seed)
    {
        SplitMix64 random = new(seed);
        CoreImageBuilder builder = new() { XstateBv = 3 };
        builder.With(StateComponent.Avx, [.. Enumerable.Range(0, 64).Select(_ => (ulong)(uint)random.Next() | 1)]);
        Artifact image = Open(builder);
        Assert.Contains("CRIU 3.18 and later does not restore it", Assert.Single(image.Findings).Message, StringComparison.Ordinal);

        LinuxHost host = Host("intel-haswell", "6.12");
        Assert.Equal((Verdict.Same, "criu"), (Perform(image, host, "3.18").Verdict, Perform(image, host, "4.2").Vmm.Id));
        TargetOutcome old = Perform(image, host, "3.17");
        Assert.Equal((Verdict.Differs, "criu-3.17", 16), (old.Verdict, old.Vmm.Id, old.Differences.Length));
    }

    [Fact]
    public void Without_a_release_of_CRIU_those_before_and_after_3_18_are_rehearsed()
    {
        LinuxHost host = Host("intel-haswell", "6.12");

        // AVX that does not count has something in it: up to 3.17 it comes back.
        CoreImageBuilder stale = new() { XstateBv = 3 };
        stale.With(StateComponent.Avx, 0x22);
        Check(stale, Verdict.Unknown, [Verdict.Same, Verdict.Same, Verdict.Differs]);

        // MXCSR goes with AVX from 3.18 on; before, AVX is restored and MXCSR stays.
        CoreImageBuilder rounding = new() { XstateBv = 3 };
        rounding.Scalars[6] = 0x3fa0;
        rounding.With(StateComponent.Avx, 0);
        Check(rounding, Verdict.Unknown, [Verdict.Differs, Verdict.Differs, Verdict.Same]);

        // Both at once: no release brings everything back.
        rounding.With(StateComponent.Avx, 0x22);
        Check(rounding, Verdict.Differs, [Verdict.Differs, Verdict.Differs, Verdict.Differs]);

        // With AVX in use the releases agree, and nothing is asked.
        CoreImageBuilder used = new() { XstateBv = 7 };
        used.With(StateComponent.Avx, 0x22);
        Assert.Empty(RestoreRehearsal.Perform(Open(used).Capture!, host).Findings.Where(finding =>
            finding.Rule.Id is "XS0722" or "XS0723"));

        void Check(CoreImageBuilder builder, Verdict expected, Verdict[] byRelease)
        {
            Capture capture = Open(builder).Capture!;
            TargetOutcome outcome = RestoreRehearsal.Perform(capture, host);
            Assert.Equal(expected, outcome.Verdict);
            Dependency dependency = Assert.Single(outcome.DependsOn);
            Assert.Equal(("vmm", "criu"), (dependency.Fact, dependency.Id));
            Assert.Equal(["CRIU 4.0 and later", "CRIU 3.18 and 3.19", "CRIU up to 3.17"], dependency.Outcomes.Select(under => under.Value));
            Assert.Equal(byRelease, dependency.Outcomes.Select(under => under.Verdict));

            // Each branch is what is said when the release is given.
            Assert.Equal(byRelease, new[] { "4.2", "3.18", "3.17" }.Select(release =>
                RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Criu = CriuRelease.Find(release) }).Verdict));
        }
    }

    [Theory]
    [InlineData("3.17", "criu-3.17")]
    [InlineData("3.17.1", "criu-3.17")]
    [InlineData("2.0", "criu-3.17")]
    [InlineData("3.18", "criu-3.18")]
    [InlineData("v3.19", "criu-3.18")]
    [InlineData("4.0", "criu")]
    [InlineData("4.1.1", "criu")]
    [InlineData("12.1", "criu")]
    [InlineData("4", null)]
    [InlineData("4.x", null)]
    [InlineData("", null)]
    [InlineData("4.1.1.1", null)]
    [InlineData("99999999999.0", null)]
    public void A_release_of_CRIU_belongs_to_a_span(string text, string? expected) => Assert.Equal(expected, CriuRelease.Find(text)?.Id);

    [Theory]
    [InlineData("4.2", false, "6.12", Verdict.Differs, null, Errno.None)]
    [InlineData("4.2", false, "5.15", Verdict.Differs, null, Errno.None)]
    [InlineData("4.2", true, "6.5", Verdict.Refused, "arch_prctl(ARCH_SHSTK_ENABLE)", Errno.EINVAL)]
    [InlineData("4.2", true, "6.6", Verdict.Unknown, null, Errno.None)]
    [InlineData("3.19", true, "6.6", Verdict.Differs, null, Errno.None)]
    [InlineData("3.17", true, "6.5", Verdict.Differs, null, Errno.None)]
    public void A_shadow_stack_is_kept_lost_or_ends_the_restore(string criu, bool hasCet, string kernel, Verdict expected, string? call,
        Errno errno)
    {
        foreach (ulong seed in Seeds)
        {
            SplitMix64 random = new(seed);
            Artifact image = Open(new CoreImageBuilder { XstateBv = 3 });
            CapturedState state = image.Capture!.States[0];
            ulong pointer = (random.Next() & 0x7fff_ffff_fff8) | 8;
            Capture capture = image.Capture with { States = [state with { Msrs = state.Msrs.SetItem(UserShadowStackPointer, pointer) }] };
            TargetOutcome outcome = RestoreRehearsal.Perform(capture, WithCet(Host("intel-sapphire-rapids", kernel), hasCet),
                new RehearsalOptions { Criu = CriuRelease.Find(criu) });

            Assert.Equal((expected, call, errno), (outcome.Verdict, outcome.RefusedCall, outcome.Errno));
            Assert.Equal(expected != Verdict.Unknown,
                outcome.Findings.Any(finding => finding is { Rule.Id: "XS1014", Where.Register: "ssp" }));
        }
    }

    [Fact]
    public void A_thread_without_a_shadow_stack_needs_none()
    {
        Artifact image = Open(new CoreImageBuilder { XstateBv = 3 });
        Assert.Equal(Verdict.Same, Perform(image, WithCet(Host("intel-sapphire-rapids", "6.5"), true)).Verdict);
        CapturedState state = image.Capture!.States[0];
        Capture zero = image.Capture with { States = [state with { Msrs = state.Msrs.SetItem(UserShadowStackPointer, 0) }] };
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(zero, WithCet(Host("intel-sapphire-rapids", "6.5"), true)).Verdict);
    }

    [Fact]
    public void XSAVE_state_on_a_processor_without_XSAVE_is_refused_by_CRIU_itself()
    {
        LinuxHost host = WithoutXsave();
        Artifact image = Open(new CoreImageBuilder { XstateBv = 7 }.With(StateComponent.Avx, 0x22));
        TargetOutcome refused = Perform(image, host);
        Assert.Equal((Verdict.Refused, "valid_xsave_frame", Errno.None), (refused.Verdict, refused.RefusedCall, refused.Errno));
        Assert.Contains(refused.Findings, finding => finding.Rule.Id == "XS1015");

        TargetOutcome ignored = RestoreRehearsal.Perform(image.Capture!, host, new RehearsalOptions { CpuCheck = CriuCpuCheck.None });
        Assert.Equal(Verdict.Differs, ignored.Verdict);
        Assert.Contains(ignored.Findings, finding => finding.Rule.Id == "XS1005");
        Assert.Equal(Verdict.Same, Perform(Open(new CoreImageBuilder { XstateBv = null }), host).Verdict);
    }

    [Theory]
    [InlineData("intel-haswell", "intel-haswell", CriuCpuCheck.All, null)]
    [InlineData("intel-haswell", "intel-skylake-sp", CriuCpuCheck.Fpu, "the areas differ in size")]
    [InlineData("intel-haswell", "intel-haswell", CriuCpuCheck.Ins, null)]
    [InlineData("intel-skylake-sp", "intel-haswell", CriuCpuCheck.Fpu, "the image's processor has xsaves")]
    [InlineData("intel-skylake-sp", "amd-rome", CriuCpuCheck.Fpu, "amd-rome lacks")]
    [InlineData("intel-skylake-sp", "intel-haswell", CriuCpuCheck.Ins, "the target lacks CPUID 80000001.0:ECX[8]")]
    [InlineData("intel-haswell", "intel-skylake-sp", CriuCpuCheck.Cpu, "the feature words are not the same")]
    [InlineData("intel-skylake-sp", "intel-haswell", CriuCpuCheck.None, null)]
    public void CRIUs_own_check_is_a_step_before_all_others(string source, string target, Enum checkValue, string? expected)
    {
        CriuCpuCheck check = (CriuCpuCheck)checkValue;
        Artifact image = Open(new CoreImageBuilder { XstateBv = 3 });
        CapturedState thread = image.Capture!.States[0] with
        {
            GuestCpuid = new Fact<CpuidTable>(SampleHosts.Open(source).Cpuid,
            FactSource.Artifact, "cpuinfo.img")
        };
        TargetOutcome outcome = RestoreRehearsal.Perform(image.Capture with { States = [thread] }, Host(target, "6.12"),
            new RehearsalOptions { CpuCheck = check });

        Assert.Equal(expected is null ? null : "cpu_validate_cpuinfo", outcome.RefusedCall);
        Assert.Equal(expected is null ? Verdict.Same : Verdict.Refused, outcome.Verdict);
        Assert.Equal(expected is not null, outcome.Findings.Any(finding => finding.Rule.Id == "XS1016"
            && finding.Message.Contains(expected ?? "", StringComparison.Ordinal)));
    }

    [Fact]
    public void CRIUs_own_check_needs_the_image_that_it_reads()
    {
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(new CoreImageBuilder()).Capture!, Host("intel-haswell", "6.12"),
            new RehearsalOptions { CpuCheck = CriuCpuCheck.Fpu });
        Assert.Equal((Verdict.Refused, "cpu_validate_cpuinfo"), (outcome.Verdict, outcome.RefusedCall));
    }

    [Theory]
    [InlineData("intel-haswell", 2048UL, 0UL, null)]
    [InlineData("intel-skylake-sp", 2048UL, 0UL, "3208")]
    [InlineData("intel-skylake-sp", 8192UL, 0UL, null)]
    [InlineData("intel-skylake-sp", 2048UL, 2UL, null)]
    [InlineData("intel-skylake-sp", 0UL, 0UL, null)]
    [InlineData("intel-skylake-sp", 2048UL, 0x8000_0000UL, "3208")]
    public void A_signal_stack_that_is_too_small_on_the_target_is_told_with_both_sizes(string host, ulong size, ulong flags, string? needed)
    {
        CoreImageBuilder builder = new() { XstateBv = 7, SignalStack = (0x7f00_0000_1000, size, flags) };
        builder.With(StateComponent.Avx, 0x22);
        TargetOutcome outcome = Perform(Open(builder), Host(host, "6.1"));

        Assert.Equal(Verdict.Same, outcome.Verdict);
        Finding? finding = outcome.Findings.SingleOrDefault(finding => finding.Rule.Id == "XS1011");
        Assert.Equal(needed is null ? (null, null) : ("2048 bytes", $"more than {needed} bytes"), (finding?.Found, finding?.Expected));
        Assert.Equal(needed is null, finding is null
            || !finding.Message.Contains($"has 2048 bytes, and the frame of a signal on {host} needs {needed}", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("5.13", "overwrites what lies below the stack")]
    [InlineData("5.14", "ends the process with SIGSEGV")]
    public void What_a_stack_that_is_too_small_leads_to_depends_on_the_kernel(string kernel, string expected)
    {
        CoreImageBuilder builder = new() { XstateBv = 3, SignalStack = (0x7f00_0000_1000, 2048, 0) };
        Finding finding = Perform(Open(builder), Host("intel-skylake-sp", kernel)).Findings.Single(finding => finding.Rule.Id == "XS1011");
        Assert.EndsWith(expected, finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_frame_is_placed_as_the_kernel_places_it(ulong seed)
    {
        SplitMix64 random = new(seed);
        for (int i = 0; i < 100; i++)
        {
            int area = random.Pick(512, 832, 2432, 2696, 11008);
            SignalStack stack = new(random.Next() & 0x7fff_ffff_ffff, (ulong)random.Below(16384) + 1, 0);

            // fpu__alloc_mathframe and align_sigframe: down by area and magic2, to 64; down by 440, to 16; down by 8.
            ulong end = stack.Address + stack.Size;
            ulong frame = end - (ulong)area - 4;
            frame -= frame % 64;
            frame -= 440;
            frame -= frame % 16;
            frame -= 8;
            Assert.Equal(end - frame, stack.Needed(area, is32Bit: false));
            Assert.Equal(frame > stack.Address, stack.Holds(area, is32Bit: false));
            Assert.True(stack.Needed(area, is32Bit: false) <= (ulong)SignalStack.Announced(area));
            Assert.True(stack.Needed(area, is32Bit: true) <= (ulong)SignalStack.Announced(area));
        }
    }

    [Theory]
    [InlineData(832, 1776)]
    [InlineData(2432, 3376)]
    [InlineData(2696, 3632)]
    [InlineData(11008, 11952)]
    public void AT_MINSIGSTKSZ_is_what_kernels_were_seen_to_say(int area, int expected) =>
        Assert.Equal(expected, SignalStack.Announced(area));

    [Theory]
    [InlineData("intel-skylake-sp", true)]
    [InlineData("intel-haswell", false)]
    public void A_process_that_was_told_of_smaller_frames_is_warned(string host, bool warned)
    {
        Capture capture = Open(new CoreImageBuilder()).Capture! with
        {
            MinSignalStack = new Fact<ulong>(1776, FactSource.Artifact,
            "AT_MINSIGSTKSZ")
        };
        Finding? finding = RestoreRehearsal.Perform(capture,
            Host(host, "6.12")).Findings.SingleOrDefault(finding => finding.Rule.Id == "XS1012");
        Assert.Equal(warned ? ("1776 bytes", "3632 bytes") : (null, null), (finding?.Found, finding?.Expected));

        // A process that runs there already, where it was restored, still has what it was told elsewhere.
        using StringWriter shown = new();
        ShowReport.WriteText(shown,
            capture with
            {
                Source = new Fact<HostRecord>(Host(host, "6.12").Record with { Kernel = new KernelRelease(6, 12, 0) },
                FactSource.Given, "test")
            }, ShowOptions.Default);
        Assert.Equal(warned, shown.ToString().Contains("XS1012 ", StringComparison.Ordinal));
        using StringWriter elsewhere = new();
        ShowReport.WriteText(elsewhere, capture with { Source = null }, ShowOptions.Default);
        Assert.DoesNotContain("XS1012", elsewhere.ToString(), StringComparison.Ordinal);
    }

    private static TargetOutcome Perform(Artifact image, LinuxHost host, string criu = "4.2") =>
        RestoreRehearsal.Perform(image.Capture!, host, new RehearsalOptions { Criu = CriuRelease.Find(criu) });

    private static Artifact Open(CoreImageBuilder builder)
    {
        using MemoryStream stream = new(builder.Build());
        return Artifact.Open(stream);
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name) with { Kernel = null, Probes = [] }, KernelBehavior.Of(release));
    }

    private static LinuxHost WithCet(LinuxHost host, bool hasCet)
    {
        CpuidRegisters leaf = host.Record.Cpuid.Read(7);
        return new LinuxHost(host.Record with
        {
            Cpuid = host.Record.Cpuid.With(7, 0,
            leaf with { Ecx = hasCet ? leaf.Ecx | 1u << 7 : leaf.Ecx & ~(1u << 7) })
        }, host.Behavior);
    }

    private static LinuxHost WithoutXsave()
    {
        HostRecord record = SampleHosts.Open("intel-haswell") with { Xcr0 = null };
        CpuidRegisters leaf = record.Cpuid.Read(1);
        return new LinuxHost(record with { Cpuid = record.Cpuid.With(1, 0, leaf with { Ecx = leaf.Ecx & ~(3u << 26) }) },
            KernelBehavior.Of(new KernelRelease(6, 12)));
    }
}
