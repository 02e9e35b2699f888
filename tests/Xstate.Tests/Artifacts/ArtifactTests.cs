using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.KvmXcrs;
using Xstate.Artifacts.KvmXsave;

namespace Xstate.Tests.Artifacts;

public class ArtifactTests
{
    [Theory]
    [InlineData(XsaveFormat.XstateBvOffset + 5)]
    [InlineData(XsaveFormat.XcompBvOffset)]
    [InlineData(XsaveFormat.ReservedHeaderOffset)]
    [InlineData(XsaveFormat.MxcsrOffset + 3)]
    public void An_image_of_4096_bytes_with_a_hostile_header_is_still_opened_as_an_image(int offset)
    {
        byte[] image = new byte[4096];
        image[offset] = 0xFF;
        Artifact artifact = Artifact.Open(new MemoryStream(image));
        Assert.Equal(KvmXsaveReader.Format, artifact.Format);
        Assert.Equal(image, artifact.Capture!.States[0].Area.ToArray());
    }

    [Fact]
    public void Random_bytes_and_text_of_4096_bytes_are_no_image_and_an_image_with_most_of_its_header_destroyed_is_one()
    {
        SplitMix64 random = new(0x4096);
        byte[] text = [.. Enumerable.Repeat("0 lines of a log that has nothing to do with registers\n"u8.ToArray(), 100)
            .SelectMany(line => line).Take(4096)];
        for (int i = 0; i < 500; i++)
        {
            byte[] bytes = new byte[4096];
            random.Fill(bytes);
            foreach (byte[] none in new[] { bytes, text })
            {
                MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(none)));
                Assert.Contains("--format", error.Expected, StringComparison.Ordinal);
            }

            // One of the four fields as it may be: what is left is for a check to report.
            (int Offset, int Length)[] fields =
                [(XsaveFormat.XstateBvOffset, 8), (XsaveFormat.XcompBvOffset, 8), (XsaveFormat.ReservedHeaderOffset, 48),
                    (XsaveFormat.MxcsrOffset, 4)];
            (int offset, int length) = fields[i % fields.Length];
            bytes.AsSpan(offset, length).Clear();
            Assert.Equal(bytes, Artifact.Open(new MemoryStream(bytes)).Capture!.States[0].Area.ToArray());
        }
    }

    [Fact]
    public void A_longer_image_is_recognised_only_when_its_header_is_plausible()
    {
        byte[] image = new byte[11008];
        image[XsaveFormat.XstateBvOffset] = 0xE7;
        Assert.Equal(KvmXsaveReader.Format, Artifact.Open(new MemoryStream(image)).Format);
        image[XsaveFormat.FcwOffset + 1] = 0x80;
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(image)));
        image[XsaveFormat.FcwOffset + 1] = 3;
        image[XsaveFormat.XcompBvOffset + 7] = 0x80;
        Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(image)));
        Assert.NotNull(Artifact.Open(new MemoryStream(image), new ArtifactOptions { Format = KvmXsaveReader.Format }).Capture);
    }

    [Fact]
    public void What_no_format_fits_is_told_with_its_length_its_first_bytes_and_the_formats()
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes("QK\u0003\u0004 zip"))));
        Assert.Equal(0, error.Offset);
        Assert.Equal("8 bytes that begin \"QK?? zip\"", error.Found);
        Assert.All(Artifact.Formats, format => Assert.Contains(format.Name, error.Expected, StringComparison.Ordinal));
    }

    [Fact]
    public void An_unknown_format_name_is_the_callers_mistake()
    {
        Assert.Throws<ArgumentException>(() => Artifact.Open(new MemoryStream(), new ArtifactOptions { Format = "elf" }));
    }

    [Fact]
    public void A_stream_that_cannot_seek_is_read_to_its_end_and_no_further_than_the_limit()
    {
        byte[] image = new byte[300_000];
        image[XsaveFormat.XstateBvOffset] = 3;
        Assert.Equal(image.Length, Artifact.Open(new OneWayStream(image)).Capture!.States[0].Area.Length);

        ArtifactOptions exact = new() { Limits = new ArtifactLimits { MaxWholeFile = image.Length } };
        Assert.Equal(image.Length, Artifact.Open(new OneWayStream(image), exact).Capture!.States[0].Area.Length);

        ArtifactOptions less = new() { Limits = new ArtifactLimits { MaxWholeFile = image.Length - 1 } };
        MalformedArtifactException oneWay = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new OneWayStream(image), less));
        MalformedArtifactException seekable = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(image), less));
        Assert.Equal(image.Length - 1, oneWay.Offset);
        Assert.Equal("300000 bytes", seekable.Found);
    }

    [Fact]
    public void A_stream_is_read_from_its_position()
    {
        byte[] bytes = new byte[10 + KvmXcrsReader.Length];
        bytes[10] = 1;
        bytes[10 + 16] = 0xE7;
        MemoryStream stream = new(bytes) { Position = 10 };
        Assert.Equal(0xE7UL, Artifact.Open(stream).Xcrs!.Xcr0!.Value.Bits);
    }

    /// <summary>Gives its bytes in odd pieces and cannot seek, like a pipe.</summary>
    private sealed class OneWayStream(byte[] bytes) : Stream
    {
        private int _at;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int length = Math.Min(Math.Min(count, 4_999), bytes.Length - _at);
            bytes.AsSpan(_at, length).CopyTo(buffer.AsSpan(offset));
            _at += length;
            return length;
        }

        public override void Flush() => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
