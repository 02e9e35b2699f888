using System.Globalization;
using System.Text.Json;
using Parquet;
using Xstate.Artifacts;
using Xstate.Cli.Input.Parquet;

namespace Xstate.Cli.Tests;

/// <summary><c>xstate pool --vms FILE.parquet</c>: rows answer as the lines that they stand for.</summary>
public class ParquetRecordsTests
{
    private static readonly string[] Hosts =
        ["samples/hosts/intel-haswell.json", "samples/hosts/intel-icelake.json", "samples/hosts/intel-sapphire-rapids.json"];

    // What is wrong with a line is wrong with a row.
    private static readonly string[] Lines =
    [
        VmLines.Cpuid("web", "intel-haswell"),
        VmLines.Cpuid("db", "intel-icelake"),
        """{"vm":"lost","host":"nowhere"}""",
        """{"vm":"odd","host":"intel-haswell","inUse":["nothing"]}""",
        """{"vm":"unnamed","guestCpuid":"unheard of"}""",
        .. Enumerable.Range(0, 300).Select(Vm),
    ];

    [Theory]
    [InlineData(CompressionMethod.None, 1_000)]
    [InlineData(CompressionMethod.Snappy, 1_000)]
    [InlineData(CompressionMethod.Snappy, 7)]
    [InlineData(CompressionMethod.Gzip, 100)]
    [InlineData(CompressionMethod.Zstd, 100)]
    public async Task Rows_give_the_bytes_that_lines_give(CompressionMethod compression, int rowsOfGroup)
    {
        using Scratch scratch = new();
        await ParquetSamples.Write(scratch.PathOf("vms.parquet"), Lines, compression, rowsOfGroup);
        byte[] parquet = await File.ReadAllBytesAsync(scratch.PathOf("vms.parquet"), TestContext.Current.CancellationToken);
        File.WriteAllLines(scratch.PathOf("vms"), Lines);
        XstateProcess lines = await Pool(scratch.PathOf("vms"));
        Assert.Equal(3, lines.ExitCode);
        Assert.True(lines.Json.GetProperty("guests").GetArrayLength() > 10, lines.Output);

        // Under the same name, which the answer has.
        await File.WriteAllBytesAsync(scratch.PathOf("vms"), parquet, TestContext.Current.CancellationToken);
        XstateProcess rows = await Pool(scratch.PathOf("vms"));
        Assert.Equal((lines.ExitCode, lines.Error, lines.Output), (rows.ExitCode, rows.Error, rows.Output));
        string[] parts = [scratch.PathOf("0"), scratch.PathOf("1"), scratch.PathOf("2")];
        for (int i = 0; i < parts.Length; i++)
        {
            await XstateProcess.Run(["pool", .. Hosts, "--kernel", "linux-6.12", "--vms", scratch.PathOf("vms"), "--shard", $"{i}/3", "-o",
                parts[i]]);
        }

        Assert.Equal(lines.Output, (await XstateProcess.Run(["pool", "--merge", .. parts, "--json"])).Output);
    }

    // By Arrow's writer (ParquetSharp 25.0.1): 60 rows in two groups, as the expression below says.
    [Theory]
    [MemberData(nameof(ArrowFiles))]
    public void Rows_of_another_writer_are_read(string file)
    {
        string[] hosts = ["intel-haswell", "intel-icelake", "intel-sapphire-rapids"];
        using StreamReader reader = new(new ParquetLines(File.OpenRead(Path.Combine(Folder, file))));
        for (int i = 0; i < 60; i++)
        {
            string xcr0 = i % 4 == 0 ? "" : ",\"xcr0\":\"0x7\"";
            string used = (i % 5) switch
            {
                0 => "",
                1 => ",\"inUse\":[]",
                2 => ",\"inUse\":[\"x87\"]",
                3 => ",\"inUse\":[\"x87\",\"sse\"]",
                _ => ",\"inUse\":[\"x87\",\"sse\",\"avx\"]",
            };
            string msrs = (i % 3) switch
            {
                0 => "",
                1 => ",\"msrs\":[]",
                _ => ",\"msrs\":[[\"0x1c4\",\"0x0\"],[\"0xda0\",\"0x0\"]]",
            };
            Assert.Equal($"{{\"vm\":\"vm-{i}\",\"host\":\"{hosts[i % 3]}\"{xcr0}{used}{msrs}}}", reader.ReadLine());
        }

        Assert.Null(reader.ReadLine());
    }

    public static TheoryData<string> ArrowFiles { get; } =
        [.. Directory.GetFiles(Folder, "arrow-*.parquet").Select(file => Path.GetFileName(file))];

    private static string Folder => Path.Combine(Xstate.Tests.Support.Repository.Root, "tests/Xstate.Cli.Tests/Parquet");

    [Fact]
    public async Task A_damaged_file_is_read_or_refused_with_the_place()
    {
        using Scratch scratch = new();
        await ParquetSamples.Write(scratch.PathOf("sound"), Lines[..40], CompressionMethod.Snappy, 16);
        byte[] sound = await File.ReadAllBytesAsync(scratch.PathOf("sound"), TestContext.Current.CancellationToken);
        int told = 0;
        SplitMix64 random = new(1);
        for (int i = 0; i < 4_000; i++)
        {
            byte[] damaged = random.OneIn(8) ? sound[..random.Below(sound.Length)] : [.. sound];
            for (int changes = random.Below(3); changes >= 0 && damaged.Length > 0; changes--)
            {
                damaged[random.Below(damaged.Length)] = (byte)random.Next();
            }

            try
            {
                using ParquetLines lines = new(new MemoryStream(damaged));
                byte[] buffer = new byte[1 << 12];
                for (long length = 0; lines.Read(buffer) is var read and > 0; length += read)
                {
                    Assert.True(length < 64 << 20);
                }
            }
            catch (MalformedArtifactException error)
            {
                Assert.Equal("parquet", error.Format);
                told++;
            }
        }

        TestContext.Current.SendDiagnosticMessage($"{told} of 4,000 damaged files told");
        Assert.True(told > 1_000);
        await File.WriteAllBytesAsync(scratch.PathOf("short"), sound[..^9], TestContext.Current.CancellationToken);
        XstateProcess run = await Pool(scratch.PathOf("short"));
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("parquet: at offset", run.Output, StringComparison.Ordinal);
        XstateProcess piped = await XstateProcess.Run(sound, ["pool", .. Hosts, "--kernel", "linux-6.12", "--vms", "-"]);
        Assert.Equal(3, piped.ExitCode);
        Assert.Contains("Parquet is read from a file only", piped.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_column_that_is_none_of_a_record_is_told_once()
    {
        using Scratch scratch = new();
        string path = scratch.PathOf("other");
        await using (FileStream file = File.Create(path))
        {
            Parquet.Schema.ParquetSchema schema =
                new(new Parquet.Schema.DataField<string>("vm"), new Parquet.Schema.DataField<long>("age"));
            await Parquet.Serialization.ParquetSerializer.SerializeUntypedAsync(
                [new Dictionary<string, object?> { ["vm"] = "a", ["age"] = 7L }], schema, file,
                cancellationToken: TestContext.Current.CancellationToken);
        }

        XstateProcess run = await Pool(path);
        Assert.Equal(3, run.ExitCode);
        JsonElement unread = Assert.Single(run.Json.GetProperty("captures").EnumerateArray());
        Assert.Contains("the column \"age\"", unread.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    private static Task<XstateProcess> Pool(string vms) =>
        XstateProcess.Run(["pool", .. Hosts, "--kernel", "linux-6.12", "--vms", vms, "--json"]);

    private static string Vm(int index)
    {
        string host = Path.GetFileNameWithoutExtension(Hosts[index % 3]);
        string cpuid = (index % 4) switch { 0 => ",\"guestCpuid\":\"web\"", 1 => ",\"guestCpuid\":\"db\"", _ => "" };
        string used = (index % 5) switch
        {
            0 => "",
            1 => ",\"inUse\":[\"x87\"]",
            2 => ",\"inUse\":[\"x87\",\"sse\"]",
            _ => ",\"inUse\":[\"x87\",\"sse\",\"avx\"]"
        };
        string msrs = index % 7 == 0 ? ",\"msrs\":[[\"0xda0\",\"0x0\"],[\"0x1c4\",\"0x0\"]]" : "";
        return string.Create(
            CultureInfo.InvariantCulture, $"{{\"vm\":\"vm-{index}\",\"host\":\"{host}\"{cpuid},\"xcr0\":\"0x7\"{used}{msrs}}}");
    }
}
