using System.Collections.Immutable;
using System.IO.Compression;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.LibvirtSave;
using Xstate.Captures;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.LibvirtSave;

public class LibvirtSaveTests
{
    [Theory]
    [InlineData("libvirt113-tcgmax.save.gz", Accelerator.Tcg, 0x207UL, 0UL, 32, "CPU maximum (cookie)")]
    [InlineData("libvirt113-kvmhost.save.gz", Accelerator.Kvm, 0xE7UL, 0xE7UL, 64,
        "CPU host-passthrough; disable: arch-capabilities (cookie)")]
    [InlineData("libvirt113-hostmodel.save.gz", Accelerator.Tcg, 0x207UL, 0UL, 32, "CPU custom EPYC AMD; require: monitor x2apic")]
    public void A_save_decodes_to_the_registers_of_its_guest_and_names_its_cpu(string file, Accelerator accelerator, ulong xcr0,
        ulong xstateBv, int vectorBytes, string cpu)
    {
        using FileStream compressed = File.OpenRead(Repository.Shared("data", "libvirt", file));
        using Stream content = ArtifactContent.Open(compressed);
        Artifact artifact = Artifact.Open(content);
        CapturedState state = artifact.Capture!.States[0];
        Assert.Equal(LibvirtSaveReader.Format, artifact.Format);
        Assert.Equal((accelerator, xstateBv, xcr0), (state.Stored!.Writer.Value, state.Stored.XstateBv.Value.Bits, state.Xcr0!.Value.Bits));
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(xcr0), vectorBytes),
            SeededGuest.Of(state, new StateComponentSet(xcr0)));
        Assert.Contains(cpu, artifact.Capture.Note, StringComparison.Ordinal);
        Assert.Empty(artifact.Encode(artifact.Capture, content));
    }

    [Fact]
    public void The_cookie_names_the_cpu_that_the_definition_leaves_open()
    {
        Assert.Contains("domain seeded, saved running; CPU custom EPYC; require: pku mpx; disable: vme (cookie)",
            Open(new SaveBuilder().Build(StreamBuilder.Tcg())).Capture!.Note, StringComparison.Ordinal);
        Assert.Contains("CPU host-model (definition)", Open(new SaveBuilder { Cookie = "" }.Build(StreamBuilder.Tcg())).Capture!.Note,
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("kvm", Accelerator.Kvm)]
    [InlineData("qemu", Accelerator.Tcg)]
    public void The_domains_type_decides_what_the_stream_leaves_open(string type, Accelerator accelerator)
    {
        byte[] stream = new StreamBuilder().Cpu(new BuiltCpu(5, 7, 7) { VectorBytes = 32, PhysicalX87 = accelerator == Accelerator.Tcg })
            .Build([]);
        Artifact artifact = Open(new SaveBuilder { DomainType = type }.Build(stream));
        Assert.Equal((accelerator, FactSource.Inferred),
            (artifact.Capture!.States[0].Stored!.Writer.Value, artifact.Capture.States[0].Stored!.Writer.Provenance.Source));
        Assert.DoesNotContain(artifact.Findings, finding => finding.Rule.Id == "XS0904");
    }

    [Fact]
    public void A_raw_save_is_changed_in_place()
    {
        byte[] save = new SaveBuilder().Build(StreamBuilder.Tcg());
        byte[] changed = Change(save, out ImmutableArray<ArtifactPatch> patches);
        Assert.Equal(save.Length, changed.Length);
        Assert.All(patches, patch => Assert.InRange(patch.Replacement.Length, 1, 16));
        Assert.Equal(7UL, Open(changed).Capture!.States[0].Stored!.XstateBv.Value.Bits);
    }

    [Fact]
    public void A_sparse_save_is_read_behind_its_ram_and_changed_in_place()
    {
        byte[] save = new SaveBuilder { Compression = 6 }.Build(StreamBuilder.Tcg());
        Artifact artifact = Open(save);
        Assert.Contains("saved running, sparse;", artifact.Capture!.Note, StringComparison.Ordinal);
        Assert.DoesNotContain(artifact.Findings, finding => finding.Rule.Id == "XS0908");
        byte[] changed = Change(save, out _);
        Assert.Equal((save.Length, 6u), (changed.Length, BitConverter.ToUInt32(changed, 28)));
        Assert.Equal(7UL, Open(changed).Capture!.States[0].Stored!.XstateBv.Value.Bits);
    }

    [Fact]
    public void A_compressed_save_is_written_raw_and_says_so_before()
    {
        byte[] stream = StreamBuilder.Tcg();
        byte[] save = new SaveBuilder { Compression = 1 }.Build(Gzip(stream));
        Assert.Contains(Open(save).Findings, finding => finding.Rule.Id == "XS0908");
        byte[] changed = Change(save, out _);
        Assert.Equal(save.Length - Gzip(stream).Length + stream.Length, changed.Length);
        Assert.Equal(0u, BitConverter.ToUInt32(changed, 28));
        Artifact again = Open(changed);
        Assert.Equal(7UL, again.Capture!.States[0].Stored!.XstateBv.Value.Bits);
        Assert.Equal(SeededGuest.Registers(5, new StateComponentSet(0x207), 32),
            SeededGuest.Of(again.Capture.States[0], new StateComponentSet(0x207)));
    }

    [Fact]
    public void A_compressed_save_that_is_too_long_to_rewrite_is_refused()
    {
        byte[] save = new SaveBuilder { Compression = 1 }.Build(Gzip(new StreamBuilder()
            .Cpu(new BuiltCpu(5, 7, 0) { PhysicalX87 = true, VectorBytes = 32 }).Build(new byte[200_000])));
        ArtifactOptions options = new() { Limits = new ArtifactLimits { MaxWholeFile = 100_000 } };
        Artifact artifact = Artifact.Open(new MemoryStream(save), options);
        Assert.Contains("--image-format raw", Assert.Throws<NotSupportedException>(() => artifact.Encode(Repaired(artifact.Capture!),
            new MemoryStream(save), options)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("LibvirtQemudPart", 2u, 0u, 0, "LibvirtQemudPart")]
    [InlineData("LibvirtQemudSave", 0x02000000u, 0u, 16, "other byte order")]
    [InlineData("LibvirtQemudSave", 3u, 0u, 16, "version 3")]
    [InlineData("LibvirtQemudSave", 2u, 7u, 28, "compression 7")]
    public void What_cannot_be_read_is_named(string magic, uint version, uint compression, long offset, string found)
    {
        byte[] save = new SaveBuilder { Magic = magic, Version = version, Compression = compression }.Build(StreamBuilder.Tcg());
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(save));
        Assert.Equal(offset, error.Offset);
        Assert.Contains(found, error.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Damaged_xml_hides_the_cpu_and_nothing_else()
    {
        Artifact artifact = Open(new SaveBuilder { Cookie = "<!DOCTYPE a [<!ENTITY b \"c\">]><cookie><cpu>&b;" }.Build(
            StreamBuilder.Tcg()));
        Assert.Contains("CPU host-model (definition)", artifact.Capture!.Note, StringComparison.Ordinal);
        Assert.Equal(0x207UL, artifact.Capture.States[0].Xcr0!.Value.Bits);
    }

    private static Artifact Open(byte[] save) => Artifact.Open(new MemoryStream(save));

    private static Capture Repaired(Capture capture) => capture with
    {
        States = [.. capture.States.Select(state =>
            state with { Stored = state.Stored! with { XstateBv = new Fact<StateComponentSet>(new StateComponentSet(7), FactSource.Given,
                "test") } })],
    };

    private static byte[] Change(byte[] save, out ImmutableArray<ArtifactPatch> patches)
    {
        Artifact artifact = Open(save);
        patches = artifact.Encode(Repaired(artifact.Capture!), new MemoryStream(save));
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(save), patches, output);
        return output.ToArray();
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using MemoryStream output = new();
        using (GZipStream gzip = new(output, CompressionLevel.Fastest))
        {
            gzip.Write(bytes);
        }

        return output.ToArray();
    }
}
