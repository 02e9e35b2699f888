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

    [Theory]
    [InlineData("100K", 0)]
    [InlineData("102400", 0)]
    [InlineData("1K", 3)]
    [InlineData("0", 3)]
    [InlineData("9999999T", 2)]
    [InlineData("-1", 2)]
    [InlineData("K", 2)]
    public async Task What_a_compressed_file_or_a_pipe_may_hold_is_an_option(string most, int code)
    {
        string file = Path.Combine(_folder, "packed.gz");
        await File.WriteAllBytesAsync(file, Pack("gzip"), TestContext.Current.CancellationToken);
        XstateProcess byName = await XstateProcess.Run("show", file, $"--max-unpacked={most}");
        XstateProcess piped = await XstateProcess.Run(await File.ReadAllBytesAsync(Repository.PathOf(Sample),
            TestContext.Current.CancellationToken), "show", "-", $"--max-unpacked={most}");
        Assert.Equal((code, code), (byName.ExitCode, piped.ExitCode));
        Assert.Contains("(default 16G)", (await XstateProcess.Run("show", "--help")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("xz", "--check=sha256")]
    [InlineData("xz", "--check=none")]
    [InlineData("xz", "--block-size=1000 -T2")]
    [InlineData("xz", "--x86 --lzma2")]
    [InlineData("zstd", "--long=27 --no-check")]
    [InlineData("lz4", "-BX --content-size")]
    [InlineData("bzip2", "-1")]
    public async Task What_programs_write_with_their_options_is_read_and_so_are_several_streams_in_a_file(string program, string options)
    {
        ExternalTool.Require(program);
        await File.WriteAllBytesAsync(Path.Combine(_folder, "plain"), await File.ReadAllBytesAsync(Repository.PathOf(Sample),
            TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        await Shell.Run(
            $"{program} {options} -c < plain > one; head -c 5000 plain | {program} -c > two; tail -c +5001 plain | {program} {options} "
            + "-c >> two; head -c $(($(stat -c %s two) - 7)) two > cut", _folder);
        string plain = (await XstateProcess.Run("show", Sample)).Output;
        XstateProcess one = await XstateProcess.Run("show", Path.Combine(_folder, "one"));
        Assert.Equal((0, plain), (one.ExitCode, one.Output));
        XstateProcess two = await XstateProcess.Run("show", Path.Combine(_folder, "two"));
        Assert.Equal((0, plain), (two.ExitCode, two.Output));
        Assert.Equal(3, (await XstateProcess.Run("show", Path.Combine(_folder, "cut"))).ExitCode);
    }

    [Fact]
    public async Task Padding_between_streams_of_xz_is_read_over_and_a_filter_that_is_not_known_is_said()
    {
        ExternalTool.Require("xz");
        await File.WriteAllBytesAsync(Path.Combine(_folder, "plain"), await File.ReadAllBytesAsync(Repository.PathOf(Sample),
            TestContext.Current.CancellationToken), TestContext.Current.CancellationToken);
        await Shell.Run(
            "{ head -c 5000 plain | xz -c; head -c 8 /dev/zero; tail -c +5001 plain | xz -c; head -c 4 /dev/zero; } > padded; { cat "
            + "padded; head -c 3 /dev/zero; } > odd; xz --delta=dist=4 --lzma2 -c < plain > delta", _folder);
        Assert.Equal((await XstateProcess.Run("show", Sample)).Output,
            (await XstateProcess.Run("show", Path.Combine(_folder, "padded"))).Output);
        Assert.Equal(3, (await XstateProcess.Run("show", Path.Combine(_folder, "odd"))).ExitCode);
        XstateProcess delta = await XstateProcess.Run("show", Path.Combine(_folder, "delta"));
        Assert.Equal(3, delta.ExitCode);
        Assert.Contains("it uses what is not read here", delta.Error, StringComparison.Ordinal);
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
        Assert.Contains("what was written is not compressed (Gzip), as the input is", run.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await XstateProcess.Run("fix", repaired, "--undo", "-o", restored)).ExitCode);
        Assert.Equal(await File.ReadAllBytesAsync(Repository.PathOf(Sample), TestContext.Current.CancellationToken),
            await File.ReadAllBytesAsync(restored, TestContext.Current.CancellationToken));
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
            using Process process = Process.Start(new ProcessStartInfo(program, ["-c"])
            {
                RedirectStandardInput = true,
                RedirectStandardOutput = true,
                UseShellExecute = false
            })!;
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
