using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.QemuSnapshot;
using Xstate.Captures;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.QemuSnapshot;

public class QemuSnapshotTests
{
    [Theory]
    [InlineData("q72-savevm-pc-tcg-max-s5.qcow2.gz", Accelerator.Tcg, 0x207UL, 32)]
    [InlineData("q100-savevm-q35-kvm-host-s5.qcow2.gz", Accelerator.Kvm, 0xE7UL, 64)]
    public void A_snapshot_decodes_to_the_registers_of_its_guest(string file, Accelerator accelerator, ulong xcr0, int vectorBytes)
    {
        using FileStream compressed = File.OpenRead(Repository.Shared("data", "qemu", file));
        using Stream content = ArtifactContent.Open(compressed);
        Artifact artifact = Artifact.Open(content);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(QemuSnapshotReader.Format, artifact.Format);
        Assert.StartsWith("snapshot 'snap1' (id 1)", artifact.Capture.Note, StringComparison.Ordinal);
        Assert.Equal((accelerator, xcr0), (state.Stored!.Writer.Value, state.Xcr0!.Value.Bits));
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(xcr0), vectorBytes),
            SeededGuest.Of(state, new StateComponentSet(xcr0)));
        Assert.Empty(artifact.Encode(artifact.Capture, content));
        Assert.NotEmpty(artifact.Encode(Repaired(artifact.Capture, 3), content));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(6)]
    public void A_change_goes_to_the_clusters_of_the_state_and_nowhere_else(int refcountOrder)
    {
        byte[] image = new SnapshotBuilder { RefcountOrder = refcountOrder }.Add("one", StreamBuilder.Tcg()).Build();
        Artifact artifact = Open(image);
        byte[] changed = Apply(image, artifact, 7);
        Assert.Equal(image.Length, changed.Length);
        Assert.Single(Enumerable.Range(0, image.Length), i => image[i] != changed[i]);
        Assert.Equal(7UL, Open(changed).Capture!.States[0].Stored!.XstateBv.Value.Bits);
    }

    [Fact]
    public void Changes_in_scattered_clusters_come_back_in_the_order_of_the_file()
    {
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(7, 0x602E7, 0x602E7) { Avx512 = true, Amx = true }).Device("kvmclock", 0, 8)
            .Build(new byte[3000]);
        byte[] image = new SnapshotBuilder().Add("one", stream).Build();
        Artifact artifact = Open(image);
        CapturedState state = artifact.Capture!.States[0];
        byte[] area = state.Area.ToArray();
        for (int i = 0; i < 8192; i++)
        {
            area[2816 + i] ^= 0xFF;
        }

        area[576] ^= 1;
        Capture wanted = artifact.Capture with { States = [state with { Area = area }] };
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(image), artifact.Encode(wanted, new MemoryStream(image)), output);
        Assert.Equal(area, Open(output.ToArray()).Capture!.States[0].Area.ToArray());
    }

    [Theory]
    [InlineData(2UL)]
    [InlineData(0UL)]
    public void A_cluster_that_is_not_the_snapshots_alone_is_not_changed(ulong refcount)
    {
        byte[] image = new SnapshotBuilder { Refcount = refcount }.Add("one", StreamBuilder.Tcg()).Build();
        Artifact artifact = Open(image);
        Assert.Contains($"reference count of {refcount}", Assert.Throws<NotSupportedException>(() => Apply(image, artifact, 7)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_last_snapshot_with_a_state_is_shown_and_the_others_are_named()
    {
        Artifact artifact = Open(new SnapshotBuilder().Add("one", StreamBuilder.Tcg(3)).Add("two", StreamBuilder.Tcg(4)).Add("disk", [])
            .Build());
        Assert.StartsWith("snapshot 'two'", artifact.Capture!.Note, StringComparison.Ordinal);
        Assert.Contains("one", Assert.Single(artifact.Findings, finding => finding.Rule.Id == "XS0907").Message, StringComparison.Ordinal);
        Assert.Equal($"0x{SeededGuest.Fcw(4):x}", SeededGuest.Of(artifact.Capture.States[0], StateComponentSet.Legacy)["fcw"]);
    }

    [Fact]
    public void A_cluster_without_a_place_reads_as_zeros()
    {
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(5, 0xE7, 0xE7) { Avx512 = true }).Device("kvmclock", 0, 8)
            .Build(new byte[20_000]);
        Assert.Equal(0xE7UL, Open(new SnapshotBuilder { Hole = 2 }.Add("one", stream).Build()).Capture!.States[0].Xcr0!.Value.Bits);
    }

    [Theory]
    [InlineData(4UL)]
    [InlineData(16UL)]
    public void Features_that_move_the_state_elsewhere_are_refused(ulong features)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            Open(new SnapshotBuilder { IncompatibleFeatures = features }.Add("one", StreamBuilder.Tcg()).Build()));
        Assert.Equal(72, error.Offset);
    }

    [Fact]
    public void A_disk_without_snapshots_or_with_snapshots_of_the_disk_alone_holds_no_state()
    {
        Assert.Contains("0 internal snapshots", Assert.Throws<MalformedArtifactException>(() => Open(new SnapshotBuilder().Build())).Found,
            StringComparison.Ordinal);
        Assert.Contains("1 snapshots of the disk alone",
            Assert.Throws<MalformedArtifactException>(() => Open(new SnapshotBuilder().Add("one", []).Build())).Found,
            StringComparison.Ordinal);
    }

    private static Artifact Open(byte[] image) => Artifact.Open(new MemoryStream(image));

    private static Capture Repaired(Capture capture, ulong xstateBv) => capture with
    {
        States = [.. capture.States.Select(state =>
            state with { Stored = state.Stored! with { XstateBv = new Fact<StateComponentSet>(new StateComponentSet(xstateBv),
                FactSource.Given, "test") } })],
    };

    private static byte[] Apply(byte[] image, Artifact artifact, ulong xstateBv)
    {
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(image), artifact.Encode(Repaired(artifact.Capture!, xstateBv), new MemoryStream(image)), output);
        return output.ToArray();
    }
}
