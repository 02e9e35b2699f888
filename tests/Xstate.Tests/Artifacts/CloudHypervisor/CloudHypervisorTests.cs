using System.Collections.Immutable;
using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CloudHypervisor;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Artifacts.CloudHypervisor;

public class CloudHypervisorTests
{
    private const string OneVcpu = "SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz";
    private const string TwoVcpus = "SEMISYNTHETIC-ch53-state-2vcpu-s7.json.gz";

    [Theory]
    [InlineData(OneVcpu, 5, 1)]
    [InlineData(TwoVcpus, 7, 2)]
    public void A_sample_has_the_registers_that_its_guest_set(string name, int seed, int vcpus)
    {
        Artifact artifact = Open(Sample(name));
        Assert.Equal(CloudHypervisorReader.Format, artifact.Format);
        Assert.Empty(artifact.Findings);
        Capture capture = artifact.Capture!;
        Assert.Equal(Enumerable.Range(0, vcpus), capture.States.Select(state => state.Id));
        CapturedState first = capture.States[0];
        Assert.Equal((0xE7UL, 0xE7UL), (new XsaveArea(first.Area.Span).XstateBv.Bits, first.Xcr0!.Value.Bits));
        Assert.Equal((2432, FactSource.Cpuid), (first.Layout!.Value.StandardLength, first.Layout.Provenance.Source));
        Assert.Equal(0xE7UL, first.GuestCpuid!.Value.UserComponents.Bits);
        Assert.Equal(0x500UL, first.Msrs[0xC000_0080]);
        Dictionary<string, string> registers = SeededRegisters.Of(first);
        SeededRegisters.AssertAvx512(registers, seed);
        Assert.Equal("35c26821a2da0fc90040", registers["st0"]);
        Assert.Equal("0000000000000080ff3f", registers["st1"]);
        Assert.Equal(first.Area.Span[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd],
            first.Fpu!.Value.Span[XsaveFormat.XmmOffset..XsaveFormat.XmmEnd]);
        Assert.Null(first.FpuDisagreement);
        Assert.All(capture.States.Skip(1), never => Assert.True(new XsaveArea(never.Area.Span).XstateBv.IsEmpty));
    }

    [Fact]
    public void A_list_of_bytes_as_29_to_38_wrote_it_decodes_to_the_same_and_takes_changes()
    {
        byte[] sample = Sample(TwoVcpus);
        byte[] list = AsLists(sample);
        Artifact expected = Open(sample);
        Artifact artifact = Open(list);
        AssertSame(expected.Capture!, artifact.Capture!);
        Capture changed = WithXmm0(expected.Capture!, 0x5A);
        byte[] written = Encode(artifact, changed, list);
        AssertSame(changed, Open(written).Capture!);

        // What was changed as lists of bytes is what was changed as text.
        Assert.Equal(AsLists(Encode(expected, changed, sample)), written);
    }

    [Fact]
    public void A_changed_register_is_changed_in_xsave_region_and_in_fpu_and_nowhere_else()
    {
        byte[] file = Sample(TwoVcpus);
        Artifact artifact = Open(file);
        Assert.True(artifact.CanEncode);
        Assert.Empty(artifact.Encode(artifact.Capture!, new MemoryStream(file)));
        Capture changed = WithXmm0(artifact.Capture!, 0x5A);
        ImmutableArray<ArtifactPatch> patches = artifact.Encode(changed, new MemoryStream(file));

        // One word of the area and one byte of fpu.
        Assert.Equal(2, patches.Length);
        Assert.Equal(("90", "7"), (Encoding.ASCII.GetString(patches[0].Replacement.Span), Encoding.ASCII.GetString(patches[0].Found.Span)));
        byte[] written = Encode(artifact, changed, file);
        AssertSame(changed, Open(written).Capture!);

        // As a document it differs in these two numbers, and outside of the patches in no byte.
        JsonNode before = Vcpu(file, "0");
        JsonNode after = Vcpu(written, "0");
        Assert.Equal(0x5A, (int)after["Kvm"]!["fpu"]!["xmm"]![0]![0]!);
        after["Kvm"]!["fpu"]!["xmm"]![0]![0] = 7;
        after["Kvm"]!["xsave"]!["region"]![40] = (uint)before["Kvm"]!["xsave"]!["region"]![40]!;
        Assert.Equal(before.ToJsonString(), after.ToJsonString());
        Assert.Equal(Vcpu(file, "1").ToJsonString(), Vcpu(written, "1").ToJsonString());
        MemoryStream back = new();
        PatchedCopy.Write(new MemoryStream(written), Reverse(patches), back);
        Assert.Equal(file, back.ToArray());
    }

    [Fact]
    public void XCR0_MSRs_and_CPUID_are_written_where_they_stand_and_what_has_no_place_is_refused()
    {
        byte[] file = Sample(OneVcpu);
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        CapturedState changed = state with
        {
            Xcr0 = state.Xcr0! with { Value = new StateComponentSet(0x207) },
            Msrs = state.Msrs.SetItem(0xC000_0080, 0xD01),
            GuestCpuid = state.GuestCpuid! with
            {
                Value = state.GuestCpuid.Value.With(7, 0,
                state.GuestCpuid.Value.Read(7) with { Ebx = 0xFFFF_FFFF })
            },
        };
        AssertSame(artifact.Capture! with { States = [changed] },
            Open(Encode(artifact, artifact.Capture! with { States = [changed] }, file)).Capture!);
        Assert.Contains("MSR 0xda0", Refused(state with { Xss = new Fact<StateComponentSet>(new(0x1800), FactSource.Measured, "test") }),
            StringComparison.Ordinal);
        Assert.Contains("room for 4096", Refused(state with { Area = (byte[])[.. state.Area.Span, 1] }), StringComparison.Ordinal);

        string Refused(CapturedState other) =>
            Assert.Throws<NotSupportedException>(() => artifact.Encode(artifact.Capture! with { States = [other] },
                new MemoryStream(file))).Message;
    }

    [Fact]
    public void The_words_of_extra_are_the_area_behind_4096_bytes()
    {
        byte[] file = Change(Sample(OneVcpu), kvm =>
        {
            kvm["xsave"]!["extra"] = new JsonArray([.. Enumerable.Range(0, 1728).Select(i => JsonValue.Create((uint)i * 3))]);
        });
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(11008, state.Area.Length);
        Assert.Equal(3U * 1727, BitConverter.ToUInt32(state.Area.Span[11004..]));
        byte[] area = state.Area.ToArray();
        area[11004] = 0xFF;
        Capture changed = artifact.Capture! with { States = [state with { Area = area }] };
        Assert.Equal(area, Open(Encode(artifact, changed, file)).Capture!.States[0].Area.ToArray());
    }

    [Fact]
    public void xcrs_may_be_an_object_and_members_that_are_not_known_are_passed_over()
    {
        byte[] sample = Sample(OneVcpu);
        byte[] file = Change(sample, kvm =>
        {
            kvm["xcrs"] = JsonNode.Parse(
                """{"nr_xcrs":1,"flags":0,"xcrs":[{"xcr":0,"reserved":0,"value":231},{"xcr":0,"reserved":0,"value":7}],"padding":[0]}""");
            kvm["new"] = JsonNode.Parse("""{"a":[{"xsave":{"region":[1]}}],"b":"\u00e9\ud83d\ude00\\"}""");
        });
        Artifact artifact = Open(file);
        AssertSame(Open(sample).Capture!, artifact.Capture!);
        CapturedState state = artifact.Capture!.States[0];
        Capture changed = WithXmm0(
            artifact.Capture! with { States = [state with { Xcr0 = state.Xcr0! with { Value = new StateComponentSet(3) } }] }, 1);
        AssertSame(changed, Open(Encode(artifact, changed, file)).Capture!);
    }

    [Fact]
    public void A_fpu_that_was_left_behind_wins_the_restore_and_is_told_before()
    {
        // What a tool does that edits xsave.region alone.
        byte[] file = Change(Sample(OneVcpu), kvm => kvm["xsave"]!["region"]![40] = 0x11223344U);
        Artifact artifact = Open(file);
        Finding finding = Assert.Single(artifact.Findings);
        Assert.Equal(("XS1104", 160L), (finding.Rule.Id, finding.Where.Offset));
        LinuxHost host = new(SampleHosts.Open("amd-genoa"), KernelBehavior.Of(new KernelRelease(6, 12)));
        Restorer monitor = Restorers.For(artifact.Capture!);
        Assert.Equal([RestoreCall.SetCpuid2, RestoreCall.SetXsave, RestoreCall.SetXcrs, RestoreCall.SetFpu, RestoreCall.SetMsrs],
            monitor.Order);
        TargetOutcome outcome = RestoreRehearsal.Perform(artifact.Capture!, host, new RehearsalOptions { Vmm = monitor });
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Assert.Contains(outcome.Findings, found => found.Rule.Id == "XS1104");
        RegisterDifference difference = Assert.Single(outcome.Differences);
        Assert.Equal("zmm0", difference.Register);
        Assert.StartsWith("44332211", difference.Before, StringComparison.Ordinal);
        Assert.StartsWith("050a0f14", difference.After, StringComparison.Ordinal);
        Assert.Equal(RepairKind.Register, Assert.Single(outcome.Repairs).Kind);

        // The repair is written, and then nothing differs any more.
        byte[] written = Encode(artifact, outcome.Repaired!, file);
        Artifact repaired = Open(written);
        Assert.Empty(repaired.Findings);
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(repaired.Capture!, host, new RehearsalOptions { Vmm = monitor }).Verdict);
        Assert.Equal(0x44, (int)Vcpu(written, "0")["Kvm"]!["fpu"]!["xmm"]![0]![0]!);

        // QEMU would not set them twice.
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(artifact.Capture!, host,
            new RehearsalOptions { Vmm = Restorers.Default }).Verdict);

        // Who restores it need not be said.
        Assert.Equal(Verdict.Repairable, RestoreRehearsal.Perform(artifact.Capture!, host).Verdict);
    }

    [Fact]
    public void A_refused_MSR_is_left_out_by_this_monitor_and_ends_the_restore_of_others()
    {
        Capture capture = Open(Sample(OneVcpu)).Capture!;
        capture = capture with
        {
            States = [capture.States[0] with { Xss = new Fact<StateComponentSet>(new StateComponentSet(0x1800),
            FactSource.Given, "test") }]
        };
        LinuxHost host = new(SampleHosts.Open("amd-genoa"), KernelBehavior.Of(new KernelRelease(6, 12)));
        TargetOutcome goesOn = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = Restorers.Find("cloud-hypervisor")! });
        Assert.Equal(Verdict.Differs, goesOn.Verdict);
        Assert.Null(goesOn.RefusedCall);
        Assert.Equal(["XS0402", "XS1105"], goesOn.Findings.Where(finding => finding.Severity == Severity.Error)
            .Select(finding => finding.Rule.Id));
        Assert.Equal(new RegisterDifference(0, "ia32_xss", "0x1800", "0x0"), Assert.Single(goesOn.Differences));
        TargetOutcome ends = RestoreRehearsal.Perform(capture, host, new RehearsalOptions { Vmm = Restorers.Find("firecracker")! });
        Assert.Equal((Verdict.Refused, "KVM_SET_MSRS"), (ends.Verdict, ends.RefusedCall));
    }

    [Fact]
    public void An_MSR_that_is_left_out_becomes_a_second_one_of_another()
    {
        byte[] file = Change(Sample(OneVcpu), kvm => kvm["msrs"]!.AsArray().Add(new JsonObject { ["index"] = 0x6A0, ["data"] = 0 }));
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(0x6A0u, state.MsrOrder[^1]);
        Capture changed = artifact.Capture with { States = [state with { Msrs = state.Msrs.Remove(0x6A0) }] };
        Capture written = Open(Encode(artifact, changed, file)).Capture!;
        Assert.Equal(changed.States[0].Msrs, written.States[0].Msrs);
        AssertSame(changed, written);
    }

    [Fact]
    public void A_relocated_area_is_read_where_it_lies_though_the_CPUID_tells_otherwise()
    {
        byte[] file = Sample(OneVcpu);
        Artifact artifact = Open(file);
        LinuxHost intel = new(SampleHosts.Open("intel-sapphire-rapids"), KernelBehavior.Of(new KernelRelease(6, 12)));
        Assert.Equal("Cloud Hypervisor's CPUID comparison", RestoreRehearsal.Perform(artifact.Capture!, intel).RefusedCall);

        // A VMM that does not compare the CPUID loads it.
        RehearsalOptions options = new() { Vmm = Restorers.Find("firecracker")! };
        TargetOutcome outcome = RestoreRehearsal.Perform(artifact.Capture!, intel, options);
        Assert.Equal(Verdict.Repairable, outcome.Verdict);
        Artifact moved = Open(Encode(artifact, outcome.Repaired!, file));
        Assert.Equal("XS1106", Assert.Single(moved.Findings).Rule.Id);
        CapturedState state = moved.Capture!.States[0];
        Assert.Equal((1088, FactSource.Inferred), (state.Layout!.Value.TryGetSlot(StateComponent.Opmask, out XsaveSlot slot)
            ? slot.Offset : 0, state.Layout.Provenance.Source));
        SeededRegisters.AssertAvx512(SeededRegisters.Of(state), 5);
        TargetOutcome after = RestoreRehearsal.Perform(moved.Capture, intel, options);
        Assert.Empty(after.Differences);
        Assert.True(after.Verdict == Verdict.Same || after.Findings.Where(finding => finding.Severity == Severity.Error)
            .All(finding => finding.Rule.Id == "XS0508"));
    }

    [Fact]
    public void What_cannot_be_read_is_told_with_a_word_what_to_do()
    {
        byte[] sample = Sample(OneVcpu);
        string text = Encoding.UTF8.GetString(sample);
        Assert.Contains("before 29",
            Refusal(
            """{"id":"vm","snapshots":{"cpu-manager":{"snapshots":{"0":{"snapshot_data":{"vcpu-section":{"id":"vcpu-section","snapshot":[123]}}}}}}}""").Found, StringComparison.Ordinal);
        Assert.Contains("Mshv",
            Refusal("""{"snapshots":{"cpu-manager":{"snapshots":{"0":{"snapshot_data":{"state":"{\"Mshv\":{}}"}}}}}}""").Found,
            StringComparison.Ordinal);
        Assert.Contains("without x86 registers",
            Refusal(
            """{"snapshots":{"cpu-manager":{"snapshots":{"0":{"snapshot_data":{"state":"{\"Kvm\":{\"core_regs\":[1]}}"}}}}}}""").Found,
            StringComparison.Ordinal);
        Assert.Equal("no virtual CPU", Refusal("""{"snapshots":{"cpu-manager":{"snapshots":{}}}}""").Found);
        Assert.Equal("no member cpu-manager", Refusal("""{"snapshots":{}}""").Found);

        // The place of an error inside the text is told as its place in the document.
        string broken = text.Replace("\\\"fcw\\\":895", "\\\"fcw\\\":99999", StringComparison.Ordinal);
        Assert.Equal(broken.IndexOf("99999", StringComparison.Ordinal), Refusal(broken).Offset);
        Assert.Contains("what is no JSON", Refusal(text[..^4]).Found, StringComparison.Ordinal);

        static MalformedArtifactException Refusal(string document) =>
            Assert.Throws<MalformedArtifactException>(() => Open(Encoding.UTF8.GetBytes(document)));
    }

    private static string Describe(CapturedState state) =>
        new StringBuilder(Convert.ToHexStringLower(state.Area.Span)).Append(state.Xcr0?.Value).Append(state.Xss?.Value)
        .Append(state.Xfd?.Value)
            .AppendJoin(',', state.Msrs.Select(msr => $"{msr.Key:x}={msr.Value:x}")).AppendJoin(',', state.GuestCpuid!.Value.Entries)
            .Append(Convert.ToHexStringLower(state.Fpu!.Value.Span)).ToString();

    private static void AssertSame(Capture expected, Capture actual) =>
        Assert.Equal(expected.States.Select(Describe), actual.States.Select(Describe));

    // The first byte of XMM0 of the first vCPU, in the area and where the monitor keeps it a second time.
    private static Capture WithXmm0(Capture capture, byte value)
    {
        CapturedState state = capture.States[0];
        byte[] area = state.Area.ToArray();
        area[XsaveFormat.XmmOffset] = value;
        byte[]? fpu = state.Fpu?.ToArray();
        if (fpu is not null)
        {
            fpu[XsaveFormat.XmmOffset] = value;
        }

        return capture with
        {
            States = capture.States.SetItem(0,
            state with { Area = area, Fpu = fpu is null ? null : (ReadOnlyMemory<byte>?)fpu })
        };
    }

    private static JsonNode Document(byte[] file) => JsonNode.Parse(file)!;

    private static JsonNode Vcpu(byte[] file, string id) =>
        JsonNode.Parse((string)Document(file)["snapshots"]!["cpu-manager"]!["snapshots"]![id]!["snapshot_data"]!["state"]!)!;

    private static byte[] Change(byte[] file, Action<JsonNode> change)
    {
        JsonNode document = Document(file);
        JsonNode vcpu = Vcpu(file, "0");
        change(vcpu["Kvm"]!);
        document["snapshots"]!["cpu-manager"]!["snapshots"]!["0"]!["snapshot_data"]!["state"] = vcpu.ToJsonString();
        return JsonSerializer.SerializeToUtf8Bytes(document);
    }

    internal static byte[] AsLists(byte[] file)
    {
        JsonNode document = Document(file);
        foreach ((string _, JsonNode? vcpu) in document["snapshots"]!["cpu-manager"]!["snapshots"]!.AsObject())
        {
            byte[] text = Encoding.UTF8.GetBytes((string)vcpu!["snapshot_data"]!["state"]!);
            vcpu["snapshot_data"] = new JsonArray([.. text.Select(value => JsonValue.Create((int)value))]);
        }

        return JsonSerializer.SerializeToUtf8Bytes(document);
    }

    private static IEnumerable<ArtifactPatch> Reverse(ImmutableArray<ArtifactPatch> patches)
    {
        long moved = 0;
        foreach (ArtifactPatch patch in patches)
        {
            yield return new ArtifactPatch(patch.Offset + moved, patch.Replacement, patch.Found);
            moved += patch.Replacement.Length - patch.Found.Length;
        }
    }

    private static byte[] Sample(string name)
    {
        using GZipStream packed = new(File.OpenRead(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "CloudHypervisor", "data",
            name)), CompressionMode.Decompress);
        MemoryStream unpacked = new();
        packed.CopyTo(unpacked);
        return unpacked.ToArray();
    }

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));

    private static byte[] Encode(Artifact artifact, Capture changed, byte[] file)
    {
        MemoryStream written = new();
        PatchedCopy.Write(new MemoryStream(file), artifact.Encode(changed, new MemoryStream(file)), written);
        return written.ToArray();
    }
}
