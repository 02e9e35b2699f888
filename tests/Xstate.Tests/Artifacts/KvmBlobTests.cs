using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.KvmCpuid2;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

public class KvmBlobTests(ITestOutputHelper output)
{
    [Fact]
    public void Anything_of_the_right_length_is_decoded_and_written_back_identical_under_its_format_name()
    {
        SplitMix64 random = new(0xB10B);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] xsave = new byte[random.Pick(4096, 4100, 11008)];
            random.Fill(xsave);
            Capture capture = Open(xsave, KvmXsaveReader.Format).Capture!;
            Assert.Equal(xsave, KvmXsaveWriter.Write(capture.States[0]));

            byte[] xcrs = new byte[KvmXcrsReader.Length];
            random.Fill(xcrs);
            Assert.Equal(xcrs, KvmXcrsWriter.Write(Open(xcrs, KvmXcrsReader.Format).Xcrs!));

            byte count = (byte)random.Below(40);
            byte[] cpuid = new byte[8 + (40 * count)];
            random.Fill(cpuid);
            cpuid.AsSpan(0, 4).Clear();
            cpuid[0] = count;
            Assert.Equal(cpuid, KvmCpuid2Writer.Write(KvmCpuid2Reader.Read(cpuid, ArtifactLimits.Default)));
        }

        output.WriteLine("2000 random blobs of each kind");
    }

    [Theory]
    [InlineData(0)]
    [InlineData(4092)]
    [InlineData(4097)]
    [InlineData(2 << 20)]
    public void A_kvm_xsave_of_a_length_that_no_ioctl_takes_is_malformed(int length)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(new byte[length], KvmXsaveReader.Format));
        Assert.Equal($"{length} bytes", error.Found);
    }

    [Fact]
    public void A_kvm_cpuid2_whose_count_does_not_fit_its_length_is_malformed()
    {
        byte[] bytes = new byte[48];
        bytes[0] = 2;
        MalformedArtifactException shorter = Assert.Throws<MalformedArtifactException>(() => Open(bytes, KvmCpuid2Reader.Format));
        Assert.Equal((48, "48 bytes", "88 for 2 entries"), (shorter.Offset, shorter.Found, shorter.Expected));
        MalformedArtifactException longer = Assert.Throws<MalformedArtifactException>(() => Open([1, .. new byte[48]],
            KvmCpuid2Reader.Format));
        Assert.Equal((48, "49 bytes", "48 for 1 entries"), (longer.Offset, longer.Found, longer.Expected));
        bytes.AsSpan(0, 4).Fill(0xFF);
        MalformedArtifactException inflated = Assert.Throws<MalformedArtifactException>(() => Open(bytes, KvmCpuid2Reader.Format));
        Assert.Equal("4294967295 entries", inflated.Found);
    }

    [Fact]
    public void Only_counted_entries_of_kvm_xcrs_tell_XCR0()
    {
        KvmXcrsBlob blob = KvmXcrsBlob.ForXcr0(new StateComponentSet(0xE7));
        Assert.Equal(0xE7UL, blob.Xcr0!.Value.Bits);
        Assert.Null((blob with { Count = 0 }).Xcr0);
        Assert.Equal(0xE7UL, (blob with { Count = 17 }).Xcr0!.Value.Bits);
        Assert.Null((blob with { Entries = [new KvmXcrsEntry(1, 0, 7), .. blob.Entries[1..]] }).Xcr0);
    }

    private static Artifact Open(byte[] bytes, string format) =>
        Artifact.Open(new MemoryStream(bytes), new ArtifactOptions { Format = format });
}
