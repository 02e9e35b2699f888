using Xstate.Artifacts;
using Xstate.Artifacts.ElfCore;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ElfCore;

/// <summary>Damaged and hostile cores: a result or a malformed artifact, memory bounded by the file, and what can be written back is read again.</summary>
public class ElfCoreMutationTests(ITestOutputHelper output)
{
    private const ulong Seed = 0x5EED_00E1;
    private const int DefaultCount = 6_000;

    [Fact]
    public void Every_mutation_of_every_core_is_read_or_refused_and_stays_writable()
    {
        byte[][] cores = [.. CoreSamples.All.Select(CoreSamples.Bytes), .. Built()];
        int count = (int)(DefaultCount * Repository.Scale);
        int read = 0;
        int noted = 0;
        int mended = 0;
        int findings = 0;
        SplitMix64 random = new(Seed);
        for (int i = 0; i < count; i++)
        {
            byte[] core = Mutate(ref random, random.Pick(cores), random.Pick(cores));
            long before = GC.GetAllocatedBytesForCurrentThread();
            Artifact? artifact = null;
            try
            {
                artifact = Artifact.Open(new MemoryStream(core), new ArtifactOptions { Format = ElfCoreReader.Format });
            }
            catch (MalformedArtifactException error)
            {
                Assert.InRange(error.Offset, 0, core.Length);
            }

            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < (2 << 20) + (64L * core.Length), $"mutation {i}: {allocated} bytes for {core.Length}");
            if (artifact is null)
            {
                continue;
            }

            read++;
            findings += artifact.Findings.Length;
            using MemoryStream content = new(core);
            Assert.Empty(artifact.Encode(artifact.Capture!, content));
            foreach (CapturedState state in artifact.Capture!.States.Where(state => state.Layout is not null))
            {
                _ = RegisterDump.Of(state, state.Layout!.Value.UserComponents);
            }

            mended += artifact.Repaired is { } repaired && Rewrite(content, () => artifact.Encode(repaired, content), repaired) ? 1 : 0;
            noted += Rewrite(content, () => ElfCoreEditing.AddLayoutNote(content), artifact.Capture) ? 1 : 0;
        }

        output.WriteLine($"{count} mutations with seed 0x{Seed:x}: {read} read with {findings} findings, {count - read} refused, {noted} given a layout note, {mended} mended");
        Assert.True(mended > count / 200 && read > count / 10 && count - read > count / 20 && noted > count / 100);
    }

    [Fact]
    public void Segments_that_share_their_bytes_do_not_multiply_them()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 0x2E7), 0x2E7, 0, 1);
        byte[] core = new CoreBuilder { Memories = 50_000 }.Thread(1).Area(area).Build();
        for (int i = 1; i < 50_000; i++)
        {
            core.AsSpan(64, 56).CopyTo(core.AsSpan(64 + (i * 56)));
        }

        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CoreSamples.Open(core));
        Assert.Contains("PT_NOTE segments", error.Found, StringComparison.Ordinal);
    }

    [Fact]
    public void Ceilings_are_named_when_they_are_met()
    {
        byte[] area = new byte[576];
        byte[] core = new CoreBuilder().Thread(1).Area(area).Thread(2).Area(area).Build();
        Assert.Contains("at most 1", Refused(new ArtifactLimits { MaxStates = 1 }), StringComparison.Ordinal);
        Assert.Contains("at most 3", Refused(new ArtifactLimits { MaxNotes = 3 }), StringComparison.Ordinal);
        Assert.Contains("at most 0", Refused(new ArtifactLimits { MaxSegments = 0 }), StringComparison.Ordinal);
        Assert.Contains("at most 100", Refused(new ArtifactLimits { MaxNoteBytes = 100 }), StringComparison.Ordinal);
        Assert.Contains("576 to 575", Refused(new ArtifactLimits { MaxArea = 575 }), StringComparison.Ordinal);

        string Refused(ArtifactLimits limits) => Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(core), new ArtifactOptions { Limits = limits })).Expected;
    }

    [Theory]
    [InlineData(4, 0, "class 0")]
    [InlineData(5, 2, "ELF")]
    [InlineData(18, 183, "machine 183")]
    [InlineData(54, 32, "32 bytes for each program header")]
    [InlineData(16, 2, "ELF")]
    public void A_file_that_is_no_x86_core_is_told_so(int at, byte value, string found)
    {
        byte[] core = CoreSamples.Bytes(CoreSamples.Zen4);
        core[at] = value;
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Artifact.Open(new MemoryStream(core), new ArtifactOptions { Format = ElfCoreReader.Format }));
        Assert.Contains(found, error.Found, StringComparison.Ordinal);
    }

    // Three of four at the headers of file, segments and notes, where lengths and offsets are.
    private static byte[] Mutate(ref SplitMix64 random, byte[] core, byte[] donor)
    {
        if (random.OneIn(4))
        {
            return Mutator.Mutate(ref random, core, donor);
        }

        byte[] copy = [.. core];
        int head = random.OneIn(2) ? 0x100 : Math.Min(copy.Length, 0x3800);
        for (int changes = 1 + random.Below(3); changes > 0; changes--)
        {
            int at = random.Below(Math.Max(1, head - 8)) & ~3;
            ulong value = random.Pick<ulong>(0, 1, 0xFFFF, uint.MaxValue, ulong.MaxValue, long.MaxValue, (ulong)copy.Length, (ulong)random.Below(copy.Length), 0x205, 0x202, 2, 4);
            BitConverter.TryWriteBytes(copy.AsSpan(at), random.OneIn(2) ? value : (uint)value | (ulong)BitConverter.ToUInt32(copy, at + 4) << 32);
        }

        return copy;
    }

    private static IEnumerable<byte[]> Built()
    {
        byte[] area = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 0x602E7), 0x602E7, 0, 1);
        byte[] small = CoreSamples.Area(CoreSamples.LayoutOf("Intel", 7), 7, 0xFFFF, 2);
        yield return new CoreBuilder { FreeBsd = true }.Thread(1).FpRegisters(CoreSamples.Fxsave(small)).Area(small).Build();
        yield return new CoreBuilder { Is64 = false }.Thread(1).Area(area).NextSegment().Thread(2).Area(small).Build();
        yield return new CoreBuilder { ExtendedNumbering = true, Memories = 40, MemoryLength = 3, Room = 300 }.Thread(1).Area(small).Thread(2).Area(small).Build();
        yield return new CoreBuilder { Is64 = false, Machine = CoreBuilder.I386 }.Thread(1).FpRegisters(new byte[108]).FxRegisters(CoreSamples.Fxsave(small)).Thread(2).FpRegisters(new byte[108]).Build();
    }

    // What was written reads back as what it was written for.
    private static bool Rewrite(MemoryStream content, Func<IEnumerable<ArtifactPatch>> patches, Capture expected)
    {
        byte[] written;
        try
        {
            written = CoreSamples.Patched(content, patches());
        }
        catch (NotSupportedException)
        {
            return false;
        }
        catch (MalformedArtifactException error)
        {
            // Section headers are looked at only when something has to be written.
            Assert.InRange(error.Offset, 0, content.Length);
            return false;
        }

        Assert.Equal(expected.States.Select(state => state.Area.ToArray()), CoreSamples.Open(written).Capture!.States.Select(state => state.Area.ToArray()));
        return true;
    }
}
