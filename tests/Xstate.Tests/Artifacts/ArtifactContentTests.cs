using System.IO.Compression;
using Xstate.Artifacts;
using Xstate.Artifacts.KvmXsave;

namespace Xstate.Tests.Artifacts;

public class ArtifactContentTests
{
    private static readonly byte[] Image = MakeImage();

    [Fact]
    public void A_gzip_file_is_opened_as_what_is_in_it()
    {
        Artifact artifact = Artifact.Open(new MemoryStream(Gzip(Image)));
        Assert.Equal(KvmXsaveReader.Format, artifact.Format);
        Assert.Equal(Image, artifact.Capture!.States[0].Area.ToArray());
    }

    [Theory]
    [InlineData(new byte[] { (byte)'B', (byte)'Z', (byte)'h', (byte)'9', 0x31 }, Compression.Bzip2)]
    [InlineData(new byte[] { 0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0 }, Compression.Xz)]
    [InlineData(new byte[] { 0x28, 0xB5, 0x2F, 0xFD, 0 }, Compression.Zstd)]
    [InlineData(new byte[] { 0x04, 0x22, 0x4D, 0x18, 0x64 }, Compression.Lz4)]
    [InlineData(new byte[] { 0x89, (byte)'L', (byte)'Z', (byte)'O', 0, 0x0D, 0x0A, 0x1A, 0x0A }, Compression.Lzop)]
    public void Other_compressions_go_to_the_decompressor_of_the_options_and_without_one_are_named(byte[] magic, Compression compression)
    {
        ArtifactOptions options = new()
        {
            Decompressor = (asked, compressed) =>
            {
                Assert.Equal(compression, asked);
                Assert.Equal(0, compressed.Position);
                return new MemoryStream(Image);
            },
        };
        Assert.Equal(Image, Artifact.Open(new MemoryStream(magic), options).Capture!.States[0].Area.ToArray());
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(magic)));
        Assert.Contains(compression.ToString(), error.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void A_gzip_file_that_lacks_its_last_bytes_is_refused_wherever_it_ends()
    {
        byte[] packed = Gzip(Image);
        for (int length = 3; length < packed.Length; length++)
        {
            MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
                Artifact.Open(new MemoryStream(packed[..length])));
            Assert.Contains("damaged Gzip data (it ends early", error.Found, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_gzip_file_of_several_members_is_whole_with_all_of_them_and_with_nothing_else()
    {
        byte[] first = Gzip(Image[..1000]);
        byte[] second = Gzip(Image[1000..]);
        byte[] both = [.. first, .. Gzip([]), .. second];
        Assert.Equal(Image, Artifact.Open(new MemoryStream(both)).Capture!.States[0].Area.ToArray());
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(both[..^1])));
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream([.. both, 1, 2, 3])));
    }

    [Theory]
    [InlineData(4)]
    [InlineData(8)]
    public void A_gzip_file_whose_trailer_says_another_check_or_length_is_refused(int fromEnd)
    {
        byte[] packed = Gzip(Image);
        packed[^fromEnd] ^= 1;
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(packed)));
    }

    [Fact]
    public void Content_of_every_length_comes_out_of_gzip_in_pieces_of_every_size()
    {
        SplitMix64 random = new(0x67A1);
        for (int i = 0; i < 300; i++)
        {
            byte[] content = new byte[random.Below(random.OneIn(2) ? 200 : 100_000)];
            random.Fill(content);
            using Stream opened = ArtifactContent.Open(new MemoryStream(Gzip(content)));
            byte[] back = new byte[content.Length];
            opened.ReadExactly(back);
            Assert.Equal(-1, opened.ReadByte());
            Assert.Equal(content, back);
        }
    }

    [Fact]
    public void A_spool_has_no_name_and_only_its_owner_may_open_it()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "needs Linux's /proc");
        ArtifactOptions options = new() { Limits = new ArtifactLimits { MaxWholeFile = 1000 } };
        using Stream spool = ArtifactContent.Open(new MemoryStream(Gzip(Image)), options);
        FileStream file = Assert.IsType<FileStream>(spool);
        Assert.False(File.Exists(file.Name));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, OperatingSystem.IsWindows()
            ? default : File.GetUnixFileMode(file.SafeFileHandle));
        Assert.StartsWith(Path.GetTempPath(), file.Name, StringComparison.Ordinal);
        byte[] back = new byte[Image.Length];
        spool.ReadExactly(back);
        Assert.Equal(Image, back);
    }

    [Fact]
    public void Damaged_gzip_is_malformed_and_not_a_crash()
    {
        byte[] packed = Gzip(Image);
        for (int i = 10; i < packed.Length; i++)
        {
            byte[] damaged = [.. packed];
            damaged[i] ^= 0x55;
            try
            {
                Artifact.Open(new MemoryStream(damaged));
            }
            catch (MalformedArtifactException error)
            {
                Assert.NotEmpty(error.Expected);
            }
        }
    }

    [Fact]
    public void A_decompression_bomb_ends_at_the_limit()
    {
        ArtifactLimits limits = new() { MaxWholeFile = 1 << 16, MaxSpooled = 1 << 20 };
        byte[] bomb = Gzip(new byte[8 << 20]);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => ArtifactContent.Open(new MemoryStream(bomb),
            new ArtifactOptions { Limits = limits }));
        Assert.Equal(1 << 20, error.Offset);
    }

    [Fact]
    public void Content_beyond_the_memory_limit_is_spooled_to_a_file_with_the_same_bytes()
    {
        byte[] bytes = new byte[300_000];
        new SplitMix64(5).Fill(bytes);
        ArtifactLimits limits = new() { MaxWholeFile = 1 << 16 };
        using Stream content = ArtifactContent.Open(new MemoryStream(Gzip(bytes)), new ArtifactOptions { Limits = limits });
        FileStream file = Assert.IsType<FileStream>(content);
        byte[] read = new byte[bytes.Length];
        content.ReadExactly(read);
        Assert.Equal(bytes, read);
        content.Dispose();
        Assert.False(File.Exists(file.Name));
    }

    [Fact]
    public void An_artifact_begins_where_the_stream_stands()
    {
        using MemoryStream stream = new([.. new byte[50], .. Image]) { Position = 50 };
        Assert.Equal(Image, Artifact.Open(stream).Capture!.States[0].Area.ToArray());
    }

    private static byte[] MakeImage()
    {
        byte[] image = new byte[4096];
        image[512] = 3;
        new SplitMix64(7).Fill(image.AsSpan(160, 256));
        return image;
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionLevel.Optimal))
        {
            gzip.Write(bytes);
        }

        return packed.ToArray();
    }
}
