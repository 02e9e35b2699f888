using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Firecracker;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Linux;
using Xstate.Rehearsal;
using Xstate.Tests.Support;
using Xstate.Transforms;

namespace Xstate.Tests.Artifacts.Firecracker;

public class FirecrackerTests
{
    private const string OneVcpu = "SEMISYNTHETIC-fc1.10-fmt4.0.0-1vcpu-s5.vmstate";
    private const string TwoVcpus = "SEMISYNTHETIC-fc1.10-fmt4.0.0-2vcpu-s7.vmstate";

    public static TheoryData<string, string> BincodeVersions { get; } = new()
    {
        { "1.0.0", "1.7" }, { "2.0.0", "1.8" }, { "3.0.0", "1.9" }, { "4.0.0", "1.10" }, { "5.0.0", "1.11" }, { "6.0.0", "1.12" },
            { "8.0.0", "1.13" }, { "8.0.0", "1.14" },
    };

    [Theory]
    [InlineData(OneVcpu, 5, 1)]
    [InlineData(TwoVcpus, 7, 2)]
    public void A_sample_has_the_registers_that_its_guest_set(string name, int seed, int vcpus)
    {
        Artifact artifact = Open(Sample(name));
        Assert.Equal(FirecrackerReader.Format, artifact.Format);
        Assert.Empty(artifact.Findings);
        Capture capture = artifact.Capture!;
        Assert.Equal((CaptureKind.VirtualMachine, vcpus), (capture.Kind, capture.States.Length));
        Assert.Equal("Firecracker 1.10, snapshot version 4.0.0", capture.Note);
        CapturedState first = capture.States[0];
        Assert.Equal(0xE7UL, new XsaveArea(first.Area.Span).XstateBv.Bits);
        Assert.Equal(0xE7UL, first.Xcr0!.Value.Bits);
        Assert.Equal(0xE7UL, first.GuestCpuid!.Value.UserComponents.Bits);
        Assert.Equal("AuthenticAMD", first.GuestCpuid.Value.Vendor);
        Assert.Equal((2432, FactSource.Cpuid), (first.Layout!.Value.StandardLength, first.Layout.Provenance.Source));
        Assert.Null(first.Xss);
        Assert.Equal(0x500UL, first.Msrs[0xC000_0080]);
        Dictionary<string, string> registers = SeededRegisters.Of(first);
        SeededRegisters.AssertAvx512(registers, seed);
        Assert.Equal("35c26821a2da0fc90040", registers["st0"]);
        Assert.Equal("0000000000000080ff3f", registers["st1"]);
        Assert.Equal(("0x37f", "0x3000"), (registers["fcw"], registers["fsw"]));
        foreach (CapturedState never in capture.States.Skip(1))
        {
            Assert.True(new XsaveArea(never.Area.Span).XstateBv.IsEmpty);
            Assert.Equal(0xE7UL, never.Xcr0!.Value.Bits);
        }
    }

    [Fact]
    public void The_builder_of_the_other_versions_writes_what_the_crates_of_Firecracker_wrote()
    {
        byte[] sample = Sample(TwoVcpus);
        (byte[] before, SnapshotParts[] vcpus, byte[] behind) = Take(sample);
        byte[] rebuilt = SnapshotParts.Bincode("4.0.0", "1.10", vcpus, behind);
        int tail = sample.Length - before.Length;
        Assert.Equal(sample[^tail..^8], rebuilt[^tail..^8]);
        Assert.Equal(0UL, SnapshotParts.Crc(sample));
        Assert.Equal(0UL, SnapshotParts.Crc(rebuilt));
        Assert.Equal(0x29D5_3572_1632_6566UL, SnapshotParts.Crc(Enumerable.Repeat((byte)0x7B, 16).ToArray()));
    }

    [Theory]
    [MemberData(nameof(BincodeVersions))]
    public void Every_bincode_version_decodes_to_the_same_registers_by_a_walk(string version, string release)
    {
        byte[] sample = Sample(TwoVcpus);
        Artifact artifact = Open(SnapshotParts.Bincode(version, release, Take(sample).Vcpus));
        Assert.Empty(artifact.Findings);
        Assert.Contains(release, artifact.Capture!.Note, StringComparison.Ordinal);
        AssertSame(Open(sample).Capture!, artifact.Capture!);
    }

    [Fact]
    public void Every_versionize_version_decodes_to_the_same_registers_by_a_search()
    {
        byte[] sample = Sample(TwoVcpus);
        Capture expected = Open(sample).Capture!;
        string[] releases = ["0.23", "0.24", "0.25", "1.0", "1.1", "1.2", "1.3", "1.4", "1.5", "1.6"];
        for (ushort version = 1; version <= releases.Length; version++)
        {
            Artifact artifact = Open(SnapshotParts.Versionize(version, Take(sample).Vcpus));
            Assert.Equal($"Firecracker {releases[version - 1]}, snapshot version data version {version}", artifact.Capture!.Note);
            Assert.Empty(artifact.Findings);
            AssertSame(expected, artifact.Capture!);
        }
    }

    [Fact]
    public void An_area_beyond_4096_bytes_is_read_and_written_whole_from_1_12_on()
    {
        (SnapshotParts vcpu, byte[] area) = WithTiles();
        byte[] file = SnapshotParts.Bincode("6.0.0", "1.12", [vcpu]);
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(area, state.Area.ToArray());
        Assert.Empty(artifact.Findings);
        byte[] changed = [.. area];
        changed[^1] ^= 0xFF;
        changed[100] ^= 0xFF;
        Capture other = artifact.Capture! with { States = [state with { Area = changed }] };
        byte[] written = Encode(artifact, other, file);
        Assert.Equal(changed, Open(written).Capture!.States[0].Area.ToArray());
        Assert.Equal(0UL, SnapshotParts.Crc(written));

        // The same guest saved by 1.11, which asks KVM for 4096 bytes.
        Artifact cut = Open(SnapshotParts.Bincode("5.0.0", "1.11", [vcpu]));
        Finding finding = Assert.Single(cut.Findings);
        Assert.Equal(("XS1103", "4096 bytes", "11008 bytes"), (finding.Rule.Id, finding.Found, finding.Expected));
    }

    [Theory]
    [MemberData(nameof(BincodeVersions))]
    public void A_changed_register_changes_only_its_bytes_and_the_CRC(string version, string release)
    {
        byte[] file = SnapshotParts.Bincode(version, release, Take(Sample(TwoVcpus)).Vcpus);
        Artifact artifact = Open(file);
        Assert.True(artifact.CanEncode);
        Assert.Empty(artifact.Encode(artifact.Capture!, new MemoryStream(file)));
        CapturedState second = artifact.Capture!.States[1];
        byte[] area = second.Area.ToArray();
        area[XsaveFormat.MxcsrOffset] = 0x3F;
        CapturedState changed = second with
        {
            Area = area,
            Xcr0 = second.Xcr0! with { Value = new StateComponentSet(7) },
            Msrs = second.Msrs.SetItem(0xC000_0080, 0xD01),
            GuestCpuid = second.GuestCpuid! with
            {
                Value = second.GuestCpuid.Value.With(0x7, 0,
                second.GuestCpuid.Value.Read(0x7) with { Ebx = 7 })
            },
        };
        byte[] written = Encode(artifact, artifact.Capture! with { States = artifact.Capture!.States.SetItem(1, changed) }, file);
        Assert.Equal(file.Length, written.Length);
        Assert.Equal(0UL, SnapshotParts.Crc(written));
        int differing = Enumerable.Range(0, file.Length - 8).Count(i => file[i] != written[i]);
        Assert.InRange(differing, 6, 8);
        Artifact again = Open(written);
        Assert.Empty(again.Findings);
        AssertSame(artifact.Capture! with { States = artifact.Capture!.States.SetItem(1, changed) }, again.Capture!);
    }

    [Fact]
    public void What_the_file_has_no_place_for_is_refused_by_name()
    {
        byte[] file = Sample(OneVcpu);
        Artifact artifact = Open(file);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Contains("MSR 0xda0", Refused(state with { Xss = new Fact<StateComponentSet>(new(0x1800), FactSource.Measured, "test") }),
            StringComparison.Ordinal);
        Assert.Contains("room for 4096", Refused(state with { Area = (byte[])[.. state.Area.Span, 1] }), StringComparison.Ordinal);
        Assert.Contains("CPUID", Refused(state with { GuestCpuid = new Fact<CpuidTable>(CpuidTable.Empty, FactSource.Measured, "test") }),
            StringComparison.Ordinal);

        // A longer area whose end is zero loses nothing, and context that the user gave is no change.
        Capture harmless = artifact.Capture! with
        {
            States = [state with { Area = (byte[])[.. state.Area.Span, 0],
                Xss = new Fact<StateComponentSet>(new(0x1800), FactSource.Given, "--xss") }],
        };
        Assert.Empty(artifact.Encode(harmless, new MemoryStream(file)));

        string Refused(CapturedState other) =>
            Assert.Throws<NotSupportedException>(() => artifact.Encode(artifact.Capture! with { States = [other] },
                new MemoryStream(file))).Message;
    }

    [Fact]
    public void An_MSR_that_a_repair_leaves_out_makes_room_for_a_second_one_of_another()
    {
        SnapshotParts vcpu = Take(Sample(OneVcpu)).Vcpus[0];
        byte[][] cet = [.. ((uint[])[0x6A0, 0x6A2, 0x6A7])
            .Select(index => (byte[])[.. BitConverter.GetBytes(index), 0, 0, 0, 0, .. new byte[8]])];
        byte[] file = SnapshotParts.Bincode("4.0.0", "1.10",
            [vcpu with { MsrLists = [[.. vcpu.MsrLists[0], .. cet], .. vcpu.MsrLists[1..]] }]);
        Artifact artifact = Open(file);
        Assert.Contains(0x6A0u, artifact.Capture!.States[0].MsrOrder);
        LinuxHost host = new(SampleHosts.Open("amd-genoa"), KernelBehavior.Of(new KernelRelease(6, 12)));
        TargetOutcome outcome = RestoreRehearsal.Perform(artifact.Capture, host);
        Assert.Equal((Verdict.Repairable, "KVM_SET_MSRS"), (outcome.Verdict, outcome.RefusedCall));
        Assert.Equal("firecracker", outcome.Vmm.Id);
        Assert.Equal(3, outcome.Repairs.Count(step => step.Kind == RepairKind.Msr));

        byte[] written = Encode(artifact, outcome.Repaired!, file);
        Assert.Equal(file.Length, written.Length);
        Assert.Equal(0UL, SnapshotParts.Crc(written));
        Artifact repaired = Open(written);
        Assert.DoesNotContain(repaired.Capture!.States[0].Msrs.Keys, index => index is 0x6A0 or 0x6A2 or 0x6A7);
        Assert.Equal(outcome.Repaired!.States[0].Msrs, repaired.Capture.States[0].Msrs);
        Assert.True(outcome.Repaired.States[0].Area.Span.SequenceEqual(repaired.Capture.States[0].Area.Span));
        Assert.Equal(Verdict.Same, RestoreRehearsal.Perform(repaired.Capture, host).Verdict);

        // Nothing that can be set twice: the change is refused by name.
        SnapshotParts alone = vcpu with { MsrLists = [cet] };
        byte[] bare = SnapshotParts.Bincode("4.0.0", "1.10", [alone]);
        Artifact empty = Open(bare);
        CapturedState state = empty.Capture!.States[0];
        Assert.Throws<NotSupportedException>(() => Encode(empty,
            empty.Capture with { States = [state with { Msrs = state.Msrs.Remove(0x6A0) }] }, bare));
    }

    [Fact]
    public void A_broken_CRC_is_told_with_both_values_and_is_not_made_whole_by_a_change()
    {
        byte[] file = Sample(OneVcpu);
        file[^20] ^= 1;
        Artifact artifact = Open(file);
        Finding finding = Assert.Single(artifact.Findings);
        Assert.Equal(("XS1101", Severity.Error, file.Length - 8L), (finding.Rule.Id, finding.Severity, finding.Where.Offset));
        Assert.Equal($"0x{SnapshotParts.Crc(file.AsSpan(0, file.Length - 8)):x16}", finding.Expected);
        byte[] area = artifact.Capture!.States[0].Area.ToArray();
        area[0] ^= 1;
        byte[] written = Encode(artifact, artifact.Capture! with { States = [artifact.Capture.States[0] with { Area = area }] }, file);
        Assert.Equal(file[^8..], written[^8..]);
        Assert.Equal("XS1101", Assert.Single(Open(written).Findings).Rule.Id);
    }

    [Fact]
    public void A_version_that_no_release_wrote_is_searched_and_said_so()
    {
        // 7.0.0 existed on the main branch only.
        byte[] file = SnapshotParts.Bincode("7.0.0", "1.13", Take(Sample(TwoVcpus)).Vcpus);
        Artifact artifact = Open(file);
        Assert.Equal("XS1102", Assert.Single(artifact.Findings).Rule.Id);
        AssertSame(Open(Sample(TwoVcpus)).Capture!, artifact.Capture!);

        // A known version with another one's preamble.
        Artifact mixed = Open(SnapshotParts.Bincode("4.0.0", "1.11", Take(Sample(TwoVcpus)).Vcpus));
        Assert.Equal("XS1102", Assert.Single(mixed.Findings).Rule.Id);
        AssertSame(Open(Sample(TwoVcpus)).Capture!, mixed.Capture!);
    }

    [Fact]
    public void What_cannot_be_read_is_told_with_a_word_what_to_do()
    {
        byte[] arm = Sample(OneVcpu);
        arm.AsSpan(2, 2).Fill(0xAA);
        Assert.Contains("aarch64", Refusal(arm).Found, StringComparison.Ordinal);

        // From 1.15 on there is no magic number, only the CRC.
        byte[] bitcode = [.. Noise(5_000), .. new byte[8]];
        BinaryPrimitives.WriteUInt64LittleEndian(bitcode.AsSpan(5_000), SnapshotParts.Crc(bitcode.AsSpan(0, 5_000)));
        MalformedArtifactException later = Refusal(bitcode);
        Assert.Equal(FirecrackerBitcodeReader.Format, later.Format);
        Assert.Contains("1.15 or later", later.Found, StringComparison.Ordinal);
        Assert.Contains("snapshot-editor info-vmstate vcpu-states", later.Expected, StringComparison.Ordinal);
        bitcode[77] ^= 1;
        Assert.Equal("artifact", Refusal(bitcode).Format);
        Assert.NotEqual(FirecrackerBitcodeReader.Format, Open(new byte[5_000]).Format);

        byte[] empty = SnapshotParts.Bincode("4.0.0", "1.10", []);
        Assert.Equal(("no virtual CPU", "at least one"), (Refusal(empty).Found, Refusal(empty).Expected));
        byte[] newer = SnapshotParts.Versionize(11, Take(Sample(OneVcpu)).Vcpus);
        Assert.Equal(("data version 11", 8L), (Refusal(newer).Found, Refusal(newer).Offset));
        byte[] format = Sample(OneVcpu);
        format[0] = 2;
        Assert.Equal("format version 2", Refusal(format).Found);

        static MalformedArtifactException Refusal(byte[] file) => Assert.Throws<MalformedArtifactException>(() => Open(file));
    }

    private static string Describe(CapturedState state) =>
        new StringBuilder(Convert.ToHexStringLower(state.Area.Span)).Append(state.Xcr0?.Value).Append(state.Xss?.Value)
        .Append(state.Xfd?.Value)
            .AppendJoin(',', state.Msrs.Select(msr => $"{msr.Key:x}={msr.Value:x}")).AppendJoin(',', state.GuestCpuid!.Value.Entries)
            .Append(state.Layout?.Value.StandardLength).ToString();

    private static void AssertSame(Capture expected, Capture actual) =>
        Assert.Equal(expected.States.Select(Describe), actual.States.Select(Describe));

    internal static (SnapshotParts Vcpu, byte[] Area) WithTiles()
    {
        SnapshotParts vcpu = Take(Sample(OneVcpu)).Vcpus[0];
        byte[] area = new byte[11008];
        SplitMix64 random = new(0x71CE);
        random.Fill(area.AsSpan(2816));
        area[XsaveFormat.XstateBvOffset + 2] = 6;
        area[XsaveFormat.XstateBvOffset] = 3;
        byte[] xcrs = [.. vcpu.Xcrs];
        BinaryPrimitives.WriteUInt64LittleEndian(xcrs.AsSpan(16), 0x602E7);
        (uint Subleaf, uint[] Registers)[] leaves =
        [
            (0, [0x602E7, 11008, 11008, 0]), (1, [0x1F, 0, 0, 0]), (2, [256, 576, 0, 0]), (5, [64, 1088, 0, 0]), (6, [512, 1152, 0, 0]),
                (7, [1024, 1664, 0, 0]), (9, [8, 2688, 0, 0]),
            (17, [64, 2752, 2, 0]), (18, [8192, 2816, 6, 0]),
        ];
        byte[][] cpuid = [.. leaves.Select(leaf => Entry([0xD, leaf.Subleaf, 1, .. leaf.Registers, 0, 0, 0]))];
        return (vcpu with { Xsave = area[..4096], Extra = area[4096..], Xcrs = xcrs, Cpuid = cpuid }, area);

        static byte[] Entry(uint[] words) => [.. words.SelectMany(BitConverter.GetBytes)];
    }

    private static byte[] Noise(int length)
    {
        byte[] bytes = new byte[length];
        new SplitMix64((ulong)length).Fill(bytes);
        return bytes;
    }

    // Where the number of vCPUs stands follows from the bytes before, which are the same structures in both samples.
    internal static (byte[] Before, SnapshotParts[] Vcpus, byte[] Behind) Take(byte[] file)
    {
        int cpuid = file.AsSpan().IndexOf((ReadOnlySpan<byte>)[28, 0, 0, 0, (byte)'A', (byte)'u', (byte)'t', (byte)'h']);
        return SnapshotParts.Take(file, cpuid - 12 - 8 - 8 - 16 - 8);
    }

    private static byte[] Sample(string name) =>
        File.ReadAllBytes(Repository.PathOf("tests", "Xstate.Tests", "Artifacts", "Firecracker", "data", name));

    private static Artifact Open(byte[] file) => Artifact.Open(new MemoryStream(file));

    private static byte[] Encode(Artifact artifact, Capture changed, byte[] file)
    {
        ImmutableArray<ArtifactPatch> patches = artifact.Encode(changed, new MemoryStream(file));
        MemoryStream written = new();
        PatchedCopy.Write(new MemoryStream(file), patches, written);
        return written.ToArray();
    }
}
