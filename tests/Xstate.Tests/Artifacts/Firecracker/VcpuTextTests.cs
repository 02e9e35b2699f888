using System.Text;
using Xstate.Artifacts;
using Xstate.Artifacts.Firecracker;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.Firecracker;

/// <summary>The text of snapshot-editor, held against the snapshot that it would be printed from.</summary>
public class VcpuTextTests
{
    public static TheoryData<string> Forms { get; } = [.. PrintedSnapshot.Forms];

    private static readonly byte[] Snapshot = File.ReadAllBytes(
        Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Firecracker", "data", "SEMISYNTHETIC-fc1.10-fmt4.0.0-2vcpu-s7.vmstate"));

    private static readonly SnapshotParts[] Vcpus = FirecrackerTests.Take(Snapshot).Vcpus;

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_text_gives_what_the_snapshot_gives_but_for_its_MSRs(string form)
    {
        Capture expected = Artifact.Open(new MemoryStream(Snapshot)).Capture!;
        foreach (bool whole in (bool[])[false, true])
        {
            Artifact artifact = Open(PrintedSnapshot.Of(Vcpus, form, whole));
            Assert.Equal((VcpuTextReader.Format, Vmm.Firecracker.Id), (artifact.Format, artifact.Capture!.Vmm!.Id));
            Assert.Equal("XS1107", Assert.Single(artifact.Findings).Rule.Id);
            Assert.False(artifact.CanEncode);
            Assert.Equal(expected.States.Length, artifact.Capture.States.Length);
            foreach ((CapturedState before, CapturedState after) in expected.States.Zip(artifact.Capture.States))
            {
                Assert.True(before.Area.Span.SequenceEqual(after.Area.Span));
                Assert.Equal(before.Xcr0!.Value, after.Xcr0!.Value);
                Assert.Equal(before.GuestCpuid!.Value.Entries, after.GuestCpuid!.Value.Entries);
                Assert.Equal(before.Layout!.Value, after.Layout!.Value);
                Assert.Equal((true, 0), (after.HidesMsrs, after.Msrs.Count));
            }
        }
    }

    [Theory]
    [InlineData("1.12")]
    [InlineData("1.13 and later")]
    public void An_area_beyond_4096_bytes_is_whole(string form)
    {
        (SnapshotParts vcpu, byte[] area) = FirecrackerTests.WithTiles();
        Assert.Equal(area, Open(PrintedSnapshot.Of([vcpu], form)).Capture!.States[0].Area.ToArray());
    }

    [Fact]
    public void What_hangs_on_an_MSR_that_is_not_told_is_unknown_and_not_answered()
    {
        (SnapshotParts vcpu, _) = FirecrackerTests.WithTiles();
        LinuxHost host = new(SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(new KernelRelease(6, 8)));
        TargetOutcome outcome = RestoreRehearsal.Perform(Open(PrintedSnapshot.Of([vcpu], PrintedSnapshot.Forms[2])).Capture!, host);
        Assert.Equal("firecracker", outcome.Vmm.Id);

        // The snapshot itself has no IA32_XFD among its MSRs, which says that nobody restores it.
        TargetOutcome told = RestoreRehearsal.Perform(
            Artifact.Open(new MemoryStream(SnapshotParts.Bincode("6.0.0", "1.12", [vcpu]))).Capture!, host);
        TestContext.Current.TestOutputHelper?.WriteLine(
            $"{outcome.Verdict} ({string.Join(", ", outcome.DependsOn.Select(fact => fact.Fact))}), {told.Verdict}");
        Assert.Equal(Verdict.Unknown, outcome.Verdict);
        Assert.Contains(outcome.DependsOn, fact => fact.Fact == "xfd");
        Assert.DoesNotContain(told.DependsOn, fact => fact.Fact == "xfd");
    }

    [Fact]
    public void Lines_around_it_are_counted_and_marks_before_lines_are_left_off()
    {
        string text = PrintedSnapshot.Of(Vcpus, PrintedSnapshot.Forms[2]);
        Artifact plain = Open(text);
        Artifact quoted = Open("$ snapshot-editor info-vmstate vcpu-states --vmstate-path vm\r\n"
            + string.Concat(text.Split('\n').SkipLast(1).Select(line => $"> {line}\r\n")) + "$ \n");
        Assert.Contains(quoted.Findings, finding => finding.Rule == Rules.TextPassedOver
            && finding.Message.StartsWith("2 lines", StringComparison.Ordinal));
        Assert.True(plain.Capture!.States[1].Area.Span.SequenceEqual(quoted.Capture!.States[1].Area.Span));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_line_that_is_gone_or_doubled_is_refused_or_changes_nothing(string form)
    {
        string[] lines = PrintedSnapshot.Of(Vcpus[..1], form).TrimEnd('\n').Split('\n');
        CapturedState whole = Open(string.Join('\n', lines)).Capture!.States[0];
        SplitMix64 random = new(0xF17E);
        int refused = 0;
        for (int i = 0; i < 300; i++)
        {
            int at = random.Below(lines.Length);
            IEnumerable<string> text = (i % 3) switch
            {
                0 => lines.Where((_, index) => index != at),
                1 => lines.SelectMany((line, index) => index == at ? [line, line] : (string[])[line]),
                _ => lines.Take(at),
            };
            try
            {
                CapturedState state = Open(string.Join('\n', text)).Capture!.States[0];
                Assert.True(whole.Area.Span.SequenceEqual(state.Area.Span), lines[at]);
                Assert.Equal(whole.Xcr0!.Value, state.Xcr0!.Value);
                Assert.Equal(whole.GuestCpuid!.Value.Entries, state.GuestCpuid!.Value.Entries);
            }
            catch (MalformedArtifactException)
            {
                refused++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{refused} of 300 refused");
        Assert.InRange(refused, 150, 299);
    }

    [Theory]
    [InlineData("VcpuState {\n", "the end of the text")]
    [InlineData("VcpuState {\n}\n", "cpuid is not there")]
    [InlineData("VcpuState {\n]\n", "}")]
    [InlineData("VcpuState {\nwhat\n", "name: value")]
    [InlineData("VcpuState {\nxsave: kvm_xsave {\nregion: [\n4294967296,\n", "a number up to 4294967295")]
    [InlineData("VcpuState {\nxsave: FamStructWrapper {\nfam_struct: kvm_xsave2 {\nlen: 18446744073709551615,\n", "a number up to")]
    [InlineData("VcpuState {\nxcrs: kvm_xcrs {\nxcrs: [\nkvm_xcr {\nxcr: 0,\n},\n", "an entry with xcr and value")]
    [InlineData("VcpuState {\ncpuid: F {\nentries: [\nkvm_cpuid_entry2 {\nfunction: 0,\n},\n", "an entry with function")]
    public void What_is_broken_is_told_by_its_line(string text, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(text));
        Assert.Equal(VcpuTextReader.Format, error.Format);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Text_built_to_ask_for_much_is_cut_short()
    {
        string[] hostile =
        [
            "VcpuState {\n" + string.Concat(Enumerable.Repeat("a: [\n", 100_000)),
            "VcpuState {\nxsave: FamStructWrapper {\nentries: [\n" + string.Concat(Enumerable.Repeat("1,\n", 3_000_000)),
            "VcpuState {\ncpuid: FamStructWrapper {\nentries: [\n"
                + string.Concat(Enumerable.Repeat("E {\nfunction: 0,\nindex: 0,\nflags: 0,\neax: 0,\nebx: 0,\necx: 0,\nedx: 0,\n},\n",
                    20_000)),
        ];
        foreach (string text in hostile)
        {
            byte[] bytes = Encoding.ASCII.GetBytes(text);
            long before = GC.GetAllocatedBytesForCurrentThread();
            Assert.Contains("at most", Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(bytes))).Expected,
                StringComparison.Ordinal);
            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200_000_000);
        }
    }

    private static Artifact Open(string text) => Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes(text)));
}
