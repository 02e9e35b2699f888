using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Rehearsal;

/// <summary>Whose layout an image has is the writer's matter, never the target's.</summary>
public class WriterLayoutRehearsalTests
{
    private static readonly string[] Kernels = ["5.10", "5.15", "6.1.40", "6.1", "6.6", "6.12", "6.18"];
    private static readonly StateComponentSet Avx512 = new(0xE4);
    private static readonly StateComponentSet Pkru = new(0x200);

    private static LayoutFamily Intel => LayoutFamily.All[0];

    private static LayoutFamily Zen => LayoutFamily.All[2];

    [Theory]
    [InlineData("live-avx512", "amd-genoa", "6.12", Verdict.Repairable)]
    [InlineData("intel-for-amd", "amd-genoa", "6.12", Verdict.Repairable)]
    [InlineData("intel-for-amd", "amd-turin", "6.6", Verdict.Repairable)]
    public void A_raw_image_of_another_processor_is_judged_as_the_capture_that_says_so(string sample, string host, string kernel,
        Verdict verdict)
    {
        // N1: asked without context, these loaded "the same".
        Capture bare = RawImage.Capture(SampleHosts.OpenCapture(sample).States[0].Area.ToArray());
        TargetOutcome outcome = RestoreRehearsal.Perform(bare, Host(host, kernel));
        Assert.Equal(verdict, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS0504");
    }

    [Fact]
    public void The_layout_of_seeded_images_decides_on_every_host_and_kernel()
    {
        SplitMix64 random = new(0x4E31);
        int foreign = 0;
        for (int i = 0; i < 60; i++)
        {
            bool isIntel = random.OneIn(2);
            StateComponentSet components = (random.OneIn(2) ? Avx512 : Avx512 | Pkru)
                & (random.OneIn(4) ? new StateComponentSet(0x204) : new StateComponentSet(0x2E4));
            byte[] area = RawImage.Of(ref random, isIntel ? Intel : Zen, components, isIntel ? Mxcsr.IntelMask : Mxcsr.AmdMask);
            string name = isIntel ? random.Pick<string>("amd-genoa", "amd-turin") : random.Pick<string>("intel-icelake",
                "intel-sapphire-rapids", "intel-cascadelake");
            LinuxHost host = Host(name, random.Pick<string>(Kernels));
            TargetOutcome raw = RestoreRehearsal.Perform(RawImage.Capture(area), host);
            Fact<XsaveLayout> written = new((isIntel ? Intel : Zen).Layout, FactSource.Given, "the test");
            TargetOutcome told = RestoreRehearsal.Perform(RawImage.Capture(area, written), host);
            if (components.Except(new StateComponentSet(7)).IsEmpty)
            {
                continue;
            }

            foreign++;
            Assert.NotEqual(Verdict.Same, told.Verdict);
            Assert.NotEqual(Verdict.Same, raw.Verdict);
            Assert.True(raw.Verdict == told.Verdict || raw.Verdict == Verdict.Unknown,
                $"case {i} on {name} {host.Behavior}: {raw.Verdict}, with the layout {told.Verdict}; "
                + $"{string.Join("; ", raw.Findings.Select(finding => $"{finding.Rule.Id} {finding.Message}"))}");
        }

        Assert.True(foreign > 20);
    }

    [Fact]
    public void Where_several_processors_could_have_written_an_image_the_verdict_says_that_it_depends_on_which()
    {
        SplitMix64 random = new(0x4E32);
        for (int i = 0; i < 12; i++)
        {
            byte[] area = RawImage.Of(ref random, random.OneIn(2) ? Intel : Zen, Avx512 | Pkru, mxcsrMask: 0);
            LinuxHost host = Host(random.Pick<string>("amd-genoa", "intel-icelake", "amd-turin", "intel-cascadelake"),
                random.Pick<string>("6.6", "6.12", "6.18"));
            TargetOutcome outcome = RestoreRehearsal.Perform(RawImage.Capture(area), host);
            Assert.Equal(Verdict.Unknown, outcome.Verdict);
            Dependency layout = Assert.Single(outcome.DependsOn, dependency => dependency.Fact == "layout");
            Assert.Contains(layout.Outcomes, under => under.Verdict == Verdict.Same);
            Assert.Contains(layout.Outcomes, under => under.Verdict is Verdict.Differs or Verdict.Repairable);
            Assert.Contains("--layout", layout.FindOut, StringComparison.Ordinal);

            // Nothing is written at a guessed place.
            Assert.Null(outcome.Repaired);
        }
    }

    [Fact]
    public void Components_that_every_processor_places_alike_need_no_layout()
    {
        SplitMix64 random = new(0x4E33);
        for (int i = 0; i < 10; i++)
        {
            byte[] area = RawImage.Of(ref random, random.OneIn(2) ? Intel : Zen, new StateComponentSet(4), mxcsrMask: 0);
            TargetOutcome outcome = RestoreRehearsal.Perform(RawImage.Capture(area),
                Host(random.Pick<string>("amd-genoa", "intel-icelake", "amd-rome"), "6.12"));
            Assert.Equal(Verdict.Same, outcome.Verdict);
            Assert.Empty(outcome.DependsOn);
        }
    }

    [Fact]
    public void A_processor_that_no_family_describes_is_not_taken_for_the_target()
    {
        // LWP and AVX-512 together: nobody places these.
        byte[] area = RawImage.Capture(new byte[RawImage.Length]).States[0].Area.ToArray();
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.MxcsrOffset), Mxcsr.Initial);
        BitConverter.TryWriteBytes(area.AsSpan(XsaveFormat.XstateBvOffset), 0xA7UL | 1UL << 62);
        Assert.Empty(KnownCapture.Of(RawImage.Capture(area)).Families);
        Assert.NotEqual(Verdict.Same, RestoreRehearsal.Perform(RawImage.Capture(area), Host("amd-genoa", "6.12")).Verdict);
    }

    [Fact]
    public void The_guest_s_CPUID_tells_where_its_processor_places_components()
    {
        SplitMix64 random = new(0x4E34);
        foreach (string writer in (string[])["amd-genoa", "intel-icelake", "intel-cascadelake", "amd-turin"])
        {
            CpuidTable cpuid = SampleHosts.Open(writer).Cpuid;
            byte[] area = RawImage.Of(ref random, new LayoutFamily(writer, XsaveLayout.FromCpuid(cpuid), 0), Avx512, mxcsrMask: 0);
            Capture capture = RawImage.Capture(area);
            capture = capture with
            {
                States = [capture.States[0] with { GuestCpuid = new Fact<CpuidTable>(cpuid, FactSource.Given,
                writer) }]
            };
            KnownCapture known = KnownCapture.Of(capture);
            Assert.False(known.IsLayoutOpen);
            Assert.Equal(XsaveLayout.FromCpuid(cpuid), known.Capture.States[0].Layout!.Value);
        }
    }

    [Fact]
    public void States_before_and_after_are_paired_by_position()
    {
        // Ids of one value: compared by id, the second state was held against the first.
        SplitMix64 random = new(0x4E35);
        for (int i = 0; i < 10; i++)
        {
            CapturedState[] states = [.. Enumerable.Range(0, 2 + random.Below(3))
                .Select(_ => RawImage.Capture(RawImage.Of(ref random, Intel, Avx512, Mxcsr.IntelMask)).States[0])];
            Capture capture = RawImage.Capture([]) with { States = [.. states] };
            TargetOutcome outcome = RestoreRehearsal.Perform(capture,
                Host(random.Pick<string>("intel-icelake", "intel-cascadelake"), "6.12"));
            Assert.Equal(Verdict.Same, outcome.Verdict);
        }
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name), KernelBehavior.Of(release));
    }
}
