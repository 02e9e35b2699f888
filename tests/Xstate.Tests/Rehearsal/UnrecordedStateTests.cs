using System.Buffers.Binary;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Reports;
using Xstate.Tests.Support;

namespace Xstate.Tests.Rehearsal;

/// <summary>
/// What is said of a process whose file does not hold all of its state: of what is there, under every value of what is not and
/// still decides.
/// </summary>
public class UnrecordedStateTests
{
    private const int MxcsrOffset = 24;
    private const int XstateBvOffset = 512;

    public static TheoryData<ulong> Seeds => [.. Enumerable.Range(0, 11).Select(seed => (ulong)seed)];

    [Theory]
    [MemberData(nameof(Seeds))]
    public void The_verdict_covers_what_the_file_holds_and_says_so(ulong seed)
    {
        foreach (byte[] file in Parts(ProcessFiles.AvxArea(seed)))
        {
            TargetOutcome outcome = Perform(file, Host("intel-skylake-sp", "6.1"));
            Assert.Equal(Verdict.Same, outcome.Verdict);
            Assert.Equal([TargetOutcome.RecordedState], outcome.Scope);
            Assert.Equal(StateComponentSet.Legacy, outcome.Recorded);
            Assert.DoesNotContain(outcome.Findings, finding => finding.Severity == Severity.Error);
            Assert.Contains("looked at: 0x3 (x87, sse); not at other components, which are not in the file", Text(outcome),
                StringComparison.Ordinal);
            Assert.Equal("0x3", Json(outcome).GetProperty("recorded").GetString());
        }

        TargetOutcome whole = Perform(ProcessFiles.Kernel(ProcessFiles.AvxArea(seed)).Build(), Host("intel-skylake-sp", "6.1"));
        Assert.Null(whole.Recorded);
        Assert.Equal([TargetOutcome.ExtendedState], whole.Scope);
        Assert.False(Json(whole).TryGetProperty("recorded", out _));
        Assert.Contains("looked at: extended state; not at memory", Text(whole), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void MXCSR_hangs_on_AVX_that_the_file_does_not_tell_and_both_are_rehearsed(ulong seed)
    {
        LinuxHost host = Host("intel-haswell", "6.1");
        byte[] area = ProcessFiles.AvxArea(seed);
        TargetOutcome inUse = Perform(ProcessFiles.Kernel(area).Build(), host);
        byte[] initial = [.. area];
        initial[XstateBvOffset] = 3;
        TargetOutcome unused = Perform(ProcessFiles.Kernel(initial).Build(), host);
        Assert.Equal((Verdict.Same, Verdict.Differs), (inUse.Verdict, unused.Verdict));
        Assert.Equal("mxcsr", Assert.Single(unused.Differences).Register);

        foreach (byte[] file in Parts(area))
        {
            TargetOutcome outcome = Perform(file, host);
            Assert.Equal(Verdict.Unknown, outcome.Verdict);
            Assert.Empty(outcome.Differences);
            Assert.DoesNotContain(outcome.Findings, finding => finding.Rule.Id is "XS0501" or "XS1001" or "XS1013");
            Dependency dependency = Assert.Single(outcome.DependsOn);
            Assert.Equal(("in-use", "avx"), (dependency.Fact, dependency.Id));
            Assert.Equal([("in use", inUse.Verdict), ("initial", unused.Verdict)],
                dependency.Outcomes.Select(under => (under.Value, under.Verdict)));
            Assert.Empty(new JsonSchema("check.answer.schema.json").Errors(Answer(outcome)));
        }
    }

    [Theory]
    [InlineData("intel-haswell", "6.1", 0x1F80u, "4.2")]
    [InlineData("intel-haswell", "6.1", 0x3FA0u, "3.17")]
    [InlineData("amd-genoa", "6.1", 0x3FA0u, "4.2")]
    public void Where_MXCSR_does_not_hang_on_AVX_nothing_is_open(string host, string kernel, uint mxcsr, string criu)
    {
        byte[] area = ProcessFiles.AvxArea(1);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(MxcsrOffset), mxcsr);
        foreach (byte[] file in Parts(area))
        {
            TargetOutcome outcome = Perform(file, Host(host, kernel), criu);
            Assert.Equal(Verdict.Same, outcome.Verdict);
            Assert.Empty(outcome.DependsOn);
        }
    }

    [Fact]
    public void Neither_CRIUs_release_nor_AVX_is_guessed()
    {
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(ProcessFiles.FxsaveOnly(ProcessFiles.AvxArea(3))),
            Host("intel-haswell", "6.1"));
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        Assert.Equal(["vmm", "in-use"], outcome.DependsOn.Select(dependency => dependency.Fact));
        Assert.Equal([Verdict.Unknown, Verdict.Unknown, Verdict.Same], outcome.DependsOn[0].Outcomes.Select(under => under.Verdict));
    }

    [Fact]
    public void A_processor_without_XSAVE_takes_the_state_only_of_one_that_had_none()
    {
        TargetOutcome outcome = Perform(ProcessFiles.FxsaveOnly(ProcessFiles.AvxArea(4)), WithoutXsave());
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        Dependency dependency = Assert.Single(outcome.DependsOn);
        Assert.Equal("xcr0", dependency.Fact);
        Assert.Equal([(Verdict.Refused, "valid_xsave_frame"), (Verdict.Same, null)],
            dependency.Outcomes.Select(under => (under.Verdict, under.Call)));
    }

    [Fact]
    public void The_dynamic_linker_is_judged_by_a_thread_that_the_file_holds_whole()
    {
        byte[] area = ProcessFiles.AvxArea(5);
        byte[] legacy = ProcessFiles.Fxsave(area);
        byte[] file = new CoreBuilder().Thread(1).FpRegisters(legacy).Thread(2).FpRegisters(legacy).Area(area).Build();
        TargetOutcome outcome = Perform(file, Host("intel-skylake-sp", "6.1"));
        Finding hazard = Assert.Single(outcome.Findings, finding => finding.Rule.Id == "XS1001");
        Assert.Equal("832 bytes", hazard.Found);
        Assert.Equal(StateComponentSet.Legacy, outcome.Recorded);
    }

    [Theory]
    [MemberData(nameof(Seeds))]
    public void A_core_with_a_shadow_stack_loses_it_on_a_processor_without(ulong seed)
    {
        byte[] file = ProcessFiles.WithShadowStack(ProcessFiles.WideArea(seed), ProcessFiles.ShadowStackPointer + (8 * seed));
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(file), Host("intel-skylake-sp", "5.15"));
        Assert.Equal(Verdict.Differs, outcome.Verdict);
        Assert.Contains(outcome.Findings, finding => finding.Rule.Id == "XS1014"
            && finding.Message.Contains($"0x{ProcessFiles.ShadowStackPointer + (8 * seed):x}", StringComparison.Ordinal));
    }

    // The same thread as writers without XSAVE leave it.
    private static byte[][] Parts(byte[] area) => [ProcessFiles.FxsaveOnly(area), ProcessFiles.CreateDump(area), ProcessFiles.NetBsd(area),
        ProcessFiles.OpenBsd(area)];

    private static TargetOutcome Perform(byte[] file, LinuxHost host, string criu = "4.2") =>
        RestoreRehearsal.Perform(Open(file), host, new RehearsalOptions { Criu = CriuRelease.Find(criu) });

    private static Capture Open(byte[] file) => Artifact.Open(new MemoryStream(file)).Capture!;

    private static string Text(TargetOutcome outcome)
    {
        using StringWriter text = new() { NewLine = "\n" };
        CheckReport.WriteText(text, "core", [new CheckedTarget(outcome)]);
        return text.ToString();
    }

    private static JsonElement Json(TargetOutcome outcome) => Answer(outcome).GetProperty("targets")[0];

    private static JsonElement Answer(TargetOutcome outcome)
    {
        using MemoryStream json = new();
        CheckReport.WriteJson(json, "core", [new CheckedTarget(outcome)]);
        return JsonDocument.Parse(json.ToArray()).RootElement;
    }

    private static LinuxHost Host(string name, string kernel)
    {
        Assert.True(KernelRelease.TryParse(kernel, out KernelRelease release));
        return new LinuxHost(SampleHosts.Open(name) with { Kernel = null, Probes = [] }, KernelBehavior.Of(release));
    }

    private static LinuxHost WithoutXsave()
    {
        HostRecord record = SampleHosts.Open("intel-haswell") with { Xcr0 = null };
        CpuidRegisters leaf = record.Cpuid.Read(1);
        return new LinuxHost(record with { Cpuid = record.Cpuid.With(1, 0, leaf with { Ecx = leaf.Ecx & ~(3u << 26) }) },
            KernelBehavior.Of(new KernelRelease(6, 12)));
    }
}
