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

            UndoRecord record = UndoRecord.Create(original, repaired);
            byte[] json = UndoFileWriter.Write(record);
            Assert.Equal(original, UndoFileReader.Read(json, ArtifactLimits.Default).Apply(repaired));
        }
    }

    [Fact]
    public void Another_file_is_not_changed()
    {
        UndoRecord record = UndoRecord.Create([1, 2, 3], [1, 2, 4]);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => record.Apply([1, 2, 5]));
        Assert.Contains("the file that this undo record belongs to", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_what_changed_is_kept()
    {
        byte[] original = new byte[4096];
        byte[] repaired = new byte[4096];
        original[512] = 7;
        UndoRun run = Assert.Single(UndoRecord.Create(original, repaired).Runs);
        Assert.Equal((512L, 1), (run.Offset, run.Bytes.Length));
    }

    [Fact]
    public void Runs_beyond_the_stated_length_are_refused()
    {
        string json = System.Text.Encoding.UTF8.GetString(UndoFileWriter.Write(UndoRecord.Create([1, 2, 3], [0, 0, 0])));
        string shorter = json.Replace("\"length\": 3", "\"length\": 2", StringComparison.Ordinal);
        Assert.NotEqual(json, shorter);
        Assert.Throws<MalformedArtifactException>(() => UndoFileReader.Read(System.Text.Encoding.UTF8.GetBytes(shorter), ArtifactLimits.Default));
    }
}
