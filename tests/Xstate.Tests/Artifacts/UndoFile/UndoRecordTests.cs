using Xstate.Artifacts;
using Xstate.Artifacts.UndoFile;

namespace Xstate.Tests.Artifacts.UndoFile;

public class UndoRecordTests
{
    [Fact]
    public void Any_pair_of_files_leads_back_to_the_original()
    {
        SplitMix64 random = new(0x0D0);
        for (int i = 0; i < 2000; i++)
        {
            byte[] original = new byte[random.Below(6000)];
            random.Fill(original);
            byte[] repaired = new byte[random.OneIn(3) ? random.Below(6000) : original.Length];
            original.AsSpan(0, Math.Min(original.Length, repaired.Length)).CopyTo(repaired);
            for (int change = random.Below(20); change > 0 && repaired.Length > 0; change--)
            {
                repaired[random.Below(repaired.Length)] ^= (byte)random.Next();
            }

            UndoRecord record = Create(original, repaired);
            byte[] json = UndoFileWriter.Write(record);
            Assert.Equal(original, UndoFileReader.Read(json, ArtifactLimits.Default).Restore(repaired));
        }
    }

    [Theory]
    [InlineData(4, 1L << 50)]
    [InlineData(5, 1 << 20)]
    [InlineData(6, 8)]
    public void A_record_whose_runs_leave_a_gap_behind_the_file_writes_nothing(long offset, long length)
    {
        // A length that nothing reaches would be filled with zeros until the disk is full.
        UndoRecord record = Create([1, 2, 3, 9, 8], [1, 2, 4]);
        UndoRecord bomb = record with
        {
            OriginalLength = length,
            Runs = [new UndoRun(2, new byte[] { 3 }), new UndoRun(offset, new byte[] { 1 })]
        };
        using MemoryStream written = new();
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => bomb.Apply(new MemoryStream([1, 2, 4]),
            written));
        Assert.Contains("at most the 3 bytes", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, written.Length);
    }

    [Fact]
    public void Another_file_is_not_changed()
    {
        UndoRecord record = Create([1, 2, 3], [1, 2, 4]);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => record.Restore([1, 2, 5]));
        Assert.Contains("the file that this undo record belongs to", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_what_changed_is_kept()
    {
        byte[] original = new byte[4096];
        byte[] repaired = new byte[4096];
        original[512] = 7;
        UndoRun run = Assert.Single(Create(original, repaired).Runs);
        Assert.Equal((512L, 1), (run.Offset, run.Bytes.Length));
    }

    [Fact]
    public void Runs_beyond_the_stated_length_are_refused()
    {
        string json = System.Text.Encoding.UTF8.GetString(UndoFileWriter.Write(Create([1, 2, 3], [0, 0, 0])));
        string shorter = json.Replace("\"length\": 3", "\"length\": 2", StringComparison.Ordinal);
        Assert.NotEqual(json, shorter);
        Assert.Throws<MalformedArtifactException>(() => UndoFileReader.Read(System.Text.Encoding.UTF8.GetBytes(shorter),
            ArtifactLimits.Default));
    }

    [Fact]
    public void Files_longer_than_a_piece_are_compared_and_restored_in_pieces()
    {
        SplitMix64 random = new(0x0D1);
        byte[] original = new byte[700_000];
        random.Fill(original);
        byte[] repaired = [.. original[..600_000], .. new byte[10]];
        original.AsSpan(262_100, 200).CopyTo(repaired.AsSpan(262_100));
        repaired.AsSpan(262_140, 40).Clear();
        UndoRecord record = Create(original, repaired);
        Assert.Equal(original, record.Restore(repaired));
        Assert.InRange(record.Runs.Sum(run => run.Bytes.Length), 100_030, 100_070);
    }

    [Fact]
    public void A_length_that_neither_the_file_nor_the_runs_reach_is_refused_before_anything_is_written()
    {
        UndoRecord record = Create([1, 2, 3], [1, 2, 4]) with { OriginalLength = 1L << 50 };
        Assert.Throws<MalformedArtifactException>(() => record.Restore([1, 2, 4]));
    }

    private static UndoRecord Create(byte[] original, byte[] repaired) =>
        UndoRecord.Create(new MemoryStream(original), new MemoryStream(repaired));
}

file static class UndoRecords
{
    public static byte[] Restore(this UndoRecord record, byte[] repaired)
    {
        using MemoryStream original = new();
        record.Apply(new MemoryStream(repaired), original);
        return original.ToArray();
    }
}
