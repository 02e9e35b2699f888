using System.Runtime.Versioning;
using Xstate.Artifacts;
using Xstate.Tests.Support;

namespace Xstate.Linux.Tests;

[SupportedOSPlatform("linux")]
public sealed class SparseFileTests(ITestOutputHelper output) : IDisposable
{
    private const long Length = 64L << 30;

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-sparse-").FullName;

    [Fact]
    public void A_copy_of_64_GB_of_holes_takes_and_reads_what_is_stored()
    {
        byte[] head = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i % 251))];
        string original = Create(head);
        string copy = Path.Combine(_folder, "copy");
        using FileStream file = File.OpenRead(original);
        Assert.SkipWhen(SparseFile.StoredRangesOf(file.SafeFileHandle)(1 << 20) is { Offset: 1 << 20 },
            "the temporary folder's file system does not tell where holes are");
        using CountingStream counted = new(file);
        using (FileStream written = new(copy, FileMode.CreateNew, FileAccess.ReadWrite))
        {
            ArtifactPatch[] patches = [new ArtifactPatch(10, head.AsMemory(10, 1), new byte[] { 99 }),
                new ArtifactPatch(Length, default, new byte[] { 1, 2, 3 })];
            PatchedCopy.Write(counted, patches, written, SparseFile.StoredRangesOf(file.SafeFileHandle));
        }

        output.WriteLine($"{counted.BytesRead} bytes read, {Blocks(original)} and {Blocks(copy)} blocks of 512 bytes");
        Assert.Equal(Length + 3, new FileInfo(copy).Length);
        Assert.InRange(counted.BytesRead, head.Length, 4 << 20);
        Assert.InRange(Blocks(copy), 1, Blocks(original) + 64);
        using FileStream read = File.OpenRead(copy);
        byte[] start = new byte[head.Length];
        read.ReadExactly(start);
        head[10] = 99;
        Assert.Equal(head, start);
        read.Position = 40L << 30;
        Assert.Equal(7, read.ReadByte());
        read.Position = Length;
        Assert.Equal((1, 2, 3), (read.ReadByte(), read.ReadByte(), read.ReadByte()));
    }

    [Fact]
    public void Stored_ranges_are_those_that_were_written()
    {
        using FileStream file = File.OpenRead(Create([1, 2, 3]));
        StoredRanges stored = SparseFile.StoredRangesOf(file.SafeFileHandle);
        StoredRange first = stored(0)!.Value;
        Assert.SkipWhen(first.End > Length, "the temporary folder's file system does not tell where holes are");
        Assert.Equal((0, true), (first.Offset, first.End is >= 3 and <= 1 << 21));
        StoredRange second = stored(first.End)!.Value;
        Assert.InRange(40L << 30, second.Offset, second.End - 1);
        Assert.Null(stored(second.End));
        Assert.Null(stored(Length));
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Create(byte[] head)
    {
        string path = Path.Combine(_folder, "original");
        using FileStream file = File.Create(path);
        file.Write(head);
        try
        {
            file.SetLength(Length);
            file.Position = 40L << 30;
            file.WriteByte(7);
        }
        catch (IOException error)
        {
            Assert.Skip($"the temporary folder takes no file of {Length} bytes: {error.Message}");
        }

        return path;
    }

    private static long Blocks(string path) =>
        long.Parse(ExternalTool.Run("stat", "-c", "%b", path), System.Globalization.CultureInfo.InvariantCulture);
}
