using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Criu;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Artifacts.Criu;

/// <summary>
/// The dump of a real process (CRIU 4.1.1, three threads) with a shadow stack, or with a small alternate signal stack, in every
/// thread: eleven variants of each.
/// </summary>
public class CriuPatchTests
{
    private static readonly string[] Names = ["core-2539.img", "core-2541.img", "core-2542.img"];

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(0, 11).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_shadow_stack_of_the_image_is_shown_compared_and_set(ulong seed)
    {
        ulong pointer = Pointer(seed);
        Artifact dump = Read(image => CriuPatch.WithShadowStack(image, pointer));
        using StringWriter text = new() { NewLine = "\n" };
        ShowReport.WriteText(text, dump.Capture!, ShowOptions.Default, dump.Findings);
        Assert.Equal(Names.Length, text.ToString().Split($"      ssp      0x{pointer:x}\n").Length - 1);

        CaptureDifference difference = CaptureComparison.Compare(dump.Capture!, Read(image => image).Capture!);
        Assert.All(difference.States, state => Assert.Equal([("ssp", $"0x{pointer:x}", "0x0")],
            state.Registers.Select(register => (register.Register, register.Left, register.Right))));

        // Only the pointer changes in the file, and the message keeps every other field.
        byte[] file = CriuPatch.WithShadowStack(Sample(Names[0]), pointer);
        Artifact image = Artifact.Open(new MemoryStream(file));
        CapturedState edited = RegisterEdit.Apply(image.Capture!.States[0], [RegisterEdit.Parse("ssp=0x7f0000001000")]).Value;
        byte[] changed = Patched(file, image.Encode(image.Capture with { States = [edited] }, new MemoryStream(file)));
        Artifact again = Artifact.Open(new MemoryStream(changed));
        RegisterContrast only = Assert.Single(CaptureComparison.Compare(image.Capture, again.Capture!).States[0].Registers);
        Assert.Equal(("ssp", "0x7f0000001000"), (only.Register, only.Right));
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_shadow_stack_is_lost_refused_or_unknown_by_processor_kernel_and_CRIU(ulong seed)
    {
        Capture dump = Read(image => CriuPatch.WithShadowStack(image, Pointer(seed))).Capture!;
        TargetOutcome haswell = Perform(dump, Host("intel-haswell", "6.12"), "4.2");
        Assert.Equal(Verdict.Differs, haswell.Verdict);
        Assert.Equal([2539, 2541, 2542], haswell.Findings.Where(finding => finding.Rule.Id == "XS1014").Select(finding =>
            finding.Where.Vcpu!.Value));

        foreach (string host in (string[])["amd-genoa", "intel-sapphire-rapids"])
        {
            string kernel = host == "amd-genoa" ? "6.1" : "6.5";
            TargetOutcome early = Perform(dump, Host(host, kernel), "4.2");
            Assert.Equal((Verdict.Refused, "arch_prctl(ARCH_SHSTK_ENABLE)", Errno.EINVAL), (early.Verdict, early.RefusedCall, early.Errno));
            Assert.Equal(Verdict.Differs, Perform(dump, Host(host, kernel), "3.19").Verdict);

            // Without a release of CRIU none is fine: the worst is the verdict, and the others are named.
            TargetOutcome any = Perform(dump, Host(host, kernel), null);
            Assert.Equal(Verdict.Refused, any.Verdict);
            Assert.Equal([Verdict.Refused, Verdict.Differs, Verdict.Differs],
                Assert.Single(any.DependsOn).Outcomes.Select(under => under.Verdict));

            // From 6.6 on the kernel's configuration decides, and no release tells it.
            LinuxHost late = Host(host, "6.12");
            TargetOutcome open = Perform(dump, late, "4.2");
            Dependency configuration = Assert.Single(open.DependsOn);
            Assert.Equal((Verdict.Unknown, "kernel-difference", "X86-USER-SHSTK"), (open.Verdict, configuration.Fact, configuration.Id));
            Assert.Contains("CONFIG_X86_USER_SHADOW_STACK", configuration.Why, StringComparison.Ordinal);
            Assert.Equal([("present", Verdict.Same), ("absent", Verdict.Refused)],
                configuration.Outcomes.Select(under => (under.Value, under.Verdict)));
            Assert.Equal(Verdict.Same, Perform(dump, new LinuxHost(late.Record, late.Behavior.Set(KernelDifference.UserShadowStack, true)),
                "4.2").Verdict);
        }
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_signal_stack_that_was_large_enough_for_AVX_is_told_where_AVX_512_is(ulong seed)
    {
        ulong small = 2048 + (seed * 64);
        Capture dump = Read(image => CriuPatch.WithAlternateStack(image, small)).Capture!;
        Assert.All(dump.States, state => Assert.Equal((7UL, small),
            (new XsaveArea(state.Area.Span).XstateBv.Bits, state.SignalStack!.Value.Size)));
        TargetOutcome wide = Perform(dump, Host("intel-skylake-sp", "6.1"), "4.2");
        Assert.Equal(Verdict.Same, wide.Verdict);
        Finding[] told = [.. wide.Findings.Where(finding => finding.Rule.Id == "XS1011")];
        Assert.Equal([2539, 2541, 2542], told.Select(finding => finding.Where.Vcpu!.Value));
        Assert.All(told, finding => Assert.Equal(($"{small} bytes", Severity.Error), (finding.Found, finding.Severity)));
        Assert.All(told, finding => Assert.Matches("^more than 3[12][0-9]{2} bytes$", finding.Expected!));
        Assert.DoesNotContain(Perform(dump, Host("intel-haswell", "6.1"), "4.2").Findings, finding => finding.Rule.Id == "XS1011");

        Capture large = Read(image => CriuPatch.WithAlternateStack(image, 4096 + (seed * 512))).Capture!;
        Assert.DoesNotContain(Perform(large, Host("intel-skylake-sp", "6.1"), "4.2").Findings, finding => finding.Rule.Id == "XS1011");
    }

    private static ulong Pointer(ulong seed) => 0x7fff_f6bf_f7e8 - (seed * 0x1238);

    private static TargetOutcome Perform(Capture capture, LinuxHost host, string? criu) =>
        RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Criu = criu is null ? null : CriuRelease.Find(criu) });

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name) with { Kernel = null, Probes = [] }, KernelBehavior.Of(release));
    }

    private static byte[] Patched(byte[] file, IEnumerable<ArtifactPatch> patches)
    {
        byte[] changed = [.. file];
        foreach (ArtifactPatch patch in patches.OrderByDescending(patch => patch.Offset))
        {
            changed = [.. changed[..(int)patch.Offset], .. patch.Replacement.ToArray(),
                .. changed[((int)patch.Offset + patch.Found.Length)..]];
        }

        return changed;
    }

    private static Artifact Read(Func<byte[], byte[]> change)
    {
        Dictionary<string, byte[]> files = Names.ToDictionary(name => name, name => change(Sample(name)));
        return CriuImages.Read(files.Keys, name => new MemoryStream(files[name]), new ArtifactOptions { Limits = ArtifactLimits.Default });
    }

    private static byte[] Sample(string name) => File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Criu", "data",
        name));
}
