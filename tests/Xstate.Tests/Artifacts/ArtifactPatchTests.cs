using System.Collections.Immutable;
using Xstate.Artifacts;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

public class ArtifactPatchTests
{
    [Fact]
    public void Patches_between_two_files_applied_to_the_first_give_the_second()
    {
        SplitMix64 random = new(11);
        for (int i = 0; i < 2_000; i++)
        {
            byte[] left = new byte[random.Below(300)];
            random.Fill(left);
            byte[] right = new byte[random.OneIn(3) ? random.Below(300) : left.Length];
            left.AsSpan(0, Math.Min(left.Length, right.Length)).CopyTo(right);
            for (int change = random.Below(6); change > 0 && right.Length > 0; change--)
            {
                right[random.Below(right.Length)]++;
            }

            ImmutableArray<ArtifactPatch> patches = ArtifactPatch.Between(left, right);
            Assert.Equal(right, Apply(left, patches));
            Assert.Equal(left.AsSpan().SequenceEqual(right), patches.IsEmpty);
        }
    }

    [Fact]
    public void A_patch_covers_what_differs_and_bridges_only_short_gaps()
    {
        byte[] left = new byte[100];
        byte[] right = new byte[100];
        right[10] = right[20] = right[60] = 1;
        Assert.Equal([(10L, 11), (60L, 1)], ArtifactPatch.Between(left, right).Select(p => (p.Offset, p.Found.Length)));
        Assert.Equal(1_010, ArtifactPatch.Between(left, right, offset: 1_000)[0].Offset);
    }

    [Fact]
    public void A_file_that_changed_since_it_was_read_is_not_patched()
    {
        ArtifactPatch patch = new(3, new byte[] { 7 }, new byte[] { 8 });
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Apply([0, 1, 2, 9, 4], [patch]));
        Assert.Equal(3, error.Offset);
        Assert.Throws<ArgumentException>(() => Apply([0, 1, 2, 7, 4], [patch, patch]));
        Assert.Equal(new byte[] { 0, 1, 2, 8, 4 }, Apply([0, 1, 2, 7, 4], [patch]));
    }

    [Fact]
    public void Changes_in_place_that_lie_together_are_one_write()
    {
        // A core has MXCSR in two notes: whoever is killed between two writes would leave two values.
        byte[] content = new byte[3 << 20];
        ArtifactPatch[] patches = [new(10, new byte[4], new byte[] { 1, 2, 3, 4 }), new(900, new byte[2], new byte[] { 5, 6 }),
            new(2 << 20, new byte[1], new byte[] { 7 })];
        WriteCounter near = new(content);
        PatchedCopy.InPlace(near, patches[..2]);
        Assert.Equal(1, near.Writes);
        Assert.Equal(21, content.Sum(value => value));
        content.AsSpan().Clear();
        WriteCounter far = new(content);
        PatchedCopy.InPlace(far, patches);
        Assert.Equal(3, far.Writes);
        Assert.Equal((28, 7), (content.Sum(value => value), content[2 << 20]));
    }

    [Fact]
    public void Bytes_change_in_place_only_when_all_of_them_are_what_was_decoded()
    {
        ArtifactPatch first = new(1, new byte[] { 1 }, new byte[] { 8 });
        ArtifactPatch second = new(3, new byte[] { 7 }, new byte[] { 9 });
        byte[] other = [0, 1, 2, 6];
        Assert.Throws<MalformedArtifactException>(() => PatchedCopy.InPlace(new MemoryStream(other), [first, second]));
        Assert.Equal(new byte[] { 0, 1, 2, 6 }, other);
        byte[] file = [0, 1, 2, 7];
        PatchedCopy.InPlace(new MemoryStream(file), [first, second]);
        Assert.Equal(new byte[] { 0, 8, 2, 9 }, file);
        Assert.Throws<ArgumentException>(() => PatchedCopy.InPlace(new MemoryStream(file), [new ArtifactPatch(0, new byte[1], default)]));
    }

    [Fact]
    public void Zeros_are_skipped_in_a_copy_and_holes_are_not_even_read()
    {
        SplitMix64 random = new(0x5A45);
        for (int round = 0; round < 200; round++)
        {
            byte[] original = new byte[1 + random.Below(1 << 20)];
            List<StoredRange> ranges = [];
            for (int at = random.Below(100_000); at < original.Length; at += random.Below(300_000))
            {
                int end = Math.Min(original.Length, at + 1 + random.Below(60_000));
                random.Fill(original.AsSpan(at..end));
                ranges.Add(new StoredRange(at, end));
                at = end;
            }

            int changed = random.Below(original.Length);
            byte[] inserted = random.OneIn(2) ? [1, 2, 3] : new byte[random.Below(20_000)];
            ArtifactPatch[] patches = [new ArtifactPatch(changed, original.AsMemory(changed, 1), inserted)];
            byte[] expected = [.. original[..changed], .. inserted, .. original[(changed + 1)..]];
            Assert.Equal(expected, Apply(original, patches));

            using CountingStream source = new(new MemoryStream(original));
            using SkippingStream copy = new();
            PatchedCopy.Write(source, patches, copy, from => ranges.Where(range => range.End > from)
                .Select(range => (StoredRange?)(range with { Offset = Math.Max(from, range.Offset) })).FirstOrDefault());
            Assert.True(expected.AsSpan().SequenceEqual(copy.ToArray()), $"round {round}");
            Assert.InRange(source.BytesRead, 0, ranges.Sum(range => range.End - range.Offset) + 1);
            Assert.InRange(copy.Written, 0, ranges.Sum(range => range.End - range.Offset + (2 * 4096)) + inserted.Length + (2 * 4096));
        }
    }

    [Fact]
    public void A_copy_into_a_stream_that_cannot_seek_or_has_an_end_is_written_whole()
    {
        byte[] original = [.. new byte[20_000], 1, .. new byte[20_000]];
        using MemoryStream inner = new();
        using (BufferedStream gate = new(new System.IO.Compression.DeflateStream(inner, System.IO.Compression.CompressionMode.Compress)))
        {
            PatchedCopy.Write(new MemoryStream(original), [], gate, _ => null);
        }

        using System.IO.Compression.DeflateStream back = new(new MemoryStream(inner.ToArray()),
            System.IO.Compression.CompressionMode.Decompress);
        using MemoryStream read = new();
        back.CopyTo(read);
        Assert.Equal(original, read.ToArray());
        using MemoryStream full = new([.. Enumerable.Repeat((byte)9, 50_000)]);
        PatchedCopy.Write(new MemoryStream(original), [], full);
        Assert.Equal(original, full.ToArray()[..original.Length]);
    }

    [Fact]
    public void An_image_and_a_capture_file_are_written_back_changed_and_stay_byte_for_byte_when_unchanged()
    {
        byte[] image = new byte[4096];
        image[512] = 3;
        byte[] document = ArtifactConversion.Write(Artifact.Open(new MemoryStream(image)).Capture! with { Note = "n" }, "xstate-capture");
        foreach (byte[] original in new[] { image, document })
        {
            using MemoryStream content = new(original);
            Artifact artifact = Artifact.Open(content);
            Assert.True(artifact.CanEncode);
            Assert.Empty(artifact.Encode(artifact.Capture!, content));
            byte[] area = artifact.Capture!.States[0].Area.ToArray();
            area[160] = 0x42;
            Capture changed = artifact.Capture with { States = [artifact.Capture.States[0] with { Area = area }] };
            byte[] written = Apply(original, artifact.Encode(changed, content));
            Assert.Equal(area, Artifact.Open(new MemoryStream(written)).Capture!.States[0].Area.ToArray());
            Assert.Equal(artifact.Capture.Note, Artifact.Open(new MemoryStream(written)).Capture!.Note);
        }
    }

    [Fact]
    public void A_format_without_a_state_cannot_be_written_back()
    {
        using MemoryStream content = new(new byte[392]);
        Artifact artifact = Artifact.Open(content);
        Assert.False(artifact.CanEncode);
        Assert.Throws<NotSupportedException>(() => artifact.Encode(new Capture { Format = "kvm_xcrs", States = [] }, content));
    }

    private sealed class SkippingStream : MemoryStream
    {
        public long Written { get; private set; }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            Written += buffer.Length;
            base.Write(buffer);
        }
    }

    private static byte[] Apply(byte[] original, IEnumerable<ArtifactPatch> patches)
    {
        using MemoryStream output = new();
        PatchedCopy.Write(new MemoryStream(original), patches, output);
        return output.ToArray();
    }

    private sealed class WriteCounter(byte[] bytes) : MemoryStream(bytes)
    {
        public int Writes { get; private set; }

        public override void Write(byte[] buffer, int offset, int count)
        {
            Writes++;
            base.Write(buffer, offset, count);
        }

        public override void Write(ReadOnlySpan<byte> buffer) => Write(buffer.ToArray(), 0, buffer.Length);
    }
}
