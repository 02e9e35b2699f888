using System.ComponentModel;
using System.Diagnostics;
using System.IO.Compression;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public sealed class CompressedInputTests : IDisposable
{
    private const string Sample = "samples/captures/compacted.json";

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-packed-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    [InlineData("xz")]
    [InlineData("zstd")]
    [InlineData("lzop")]
    [InlineData("lz4")]
    public async Task A_compressed_file_is_shown_as_what_is_in_it_by_name_and_from_a_pipe(string program)
    {
        byte[] packed = Pack(program);
        string file = Path.Combine(_folder, "packed");
        await File.WriteAllBytesAsync(file, packed, TestContext.Current.CancellationToken);
        string plain = (await XstateProcess.Run("show", Sample)).Output;
        XstateProcess byName = await XstateProcess.Run("show", file);
        Assert.Equal((0, plain), (byName.ExitCode, byName.Output));
        XstateProcess piped = await XstateProcess.Run(packed, "show", "-");
        Assert.Equal((0, plain), (piped.ExitCode, piped.Output));
    }

    [Theory]
    [InlineData("gzip")]
    [InlineData("bzip2")]
    [InlineData("xz")]
    [InlineData("zstd")]
    [InlineData("lzop")]
    [InlineData("lz4")]
    public async Task A_truncated_one_is_unreadable_and_says_why(string program)
    {
        byte[] packed = Pack(program);
        string file = Path.Combine(_folder, "packed");
        await File.WriteAllBytesAsync(file, packed[..(packed.Length / 2)], TestContext.Current.CancellationToken);
        XstateProcess run = await XstateProcess.Run("show", file);
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(run.Output);
        Assert.StartsWith("xstate: ", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repaired_compressed_file_is_written_uncompressed_and_its_undo_gives_the_content_back()
    {
        string packed = Path.Combine(_folder, "packed.gz");
        string repaired = Path.Combine(_folder, "repaired");
        string restored = Path.Combine(_folder, "restored");
        await File.WriteAllBytesAsync(packed, Pack("gzip"), TestContext.Current.CancellationToken);
        XstateProcess run = await XstateProcess.Run("fix", packed, "--on", "samples/hosts/intel-icelake.json@linux-6.12", "-o", repaired);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("what was written is not compressed", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await XstateProcess.Run("fix", repaired, "--undo", "-o", restored)).ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(Repository.PathOf(Sample), TestContext.Current.CancellationToken), await File.ReadAllBytesAsync(restored, TestContext.Current.CancellationToken));
    }

    private static byte[] Pack(string program)
    {
        byte[] content = File.ReadAllBytes(Repository.PathOf(Sample));
        if (program == "gzip")
        {
            using MemoryStream packed = new();
            using (GZipStream gzip = new(packed, CompressionLevel.Optimal))
            {
                gzip.Write(content);
            }

            return packed.ToArray();
        }

        try
        {
            using Process process = Process.Start(new ProcessStartInfo(program, ["-c"]) { RedirectStandardInput = true, RedirectStandardOutput = true, UseShellExecute = false })!;
            process.StandardInput.BaseStream.Write(content);
            process.StandardInput.Close();
            using MemoryStream packed = new();
            process.StandardOutput.BaseStream.CopyTo(packed);
            process.WaitForExit();
            return packed.ToArray();
        }
        catch (Win32Exception)
        {
            Assert.Skip($"{program} is not installed");
            throw;
        }
    }
}
