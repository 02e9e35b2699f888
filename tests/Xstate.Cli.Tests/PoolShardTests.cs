using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Xstate.Cli.Tests;

/// <summary><c>xstate pool --shard</c> and <c>--merge</c>: the parts of a fleet answer as the fleet, and only together.</summary>
public class PoolShardTests
{
    private static readonly string[] Hosts =
    [
        "samples/hosts/intel-haswell.json", "samples/hosts/intel-icelake.json", "samples/hosts/intel-sapphire-rapids.json",
        "samples/hosts/amd-genoa.json", "missing.json",
    ];

    private static readonly string[] Captures =
        ["samples/captures/leaked-pkru.json", "README.md", "samples/captures/live-avx512.json", "samples/captures/xfd-tiles.json"];

    private static readonly string[] Rest = ["--kernel", "linux-6.1.40", "--upgrade-to", "linux-6.12"];

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    [InlineData(64)]
    public async Task Merged_shards_give_the_bytes_of_one_run(int count)
    {
        using Scratch scratch = new();
        string[] inputs = [.. Hosts, "--captures", .. Captures, "--vms", WriteRecords(scratch, "a"), WriteRecords(scratch, "b"), .. Rest];
        XstateProcess whole = await XstateProcess.Run(["pool", .. inputs, "--json"]);
        Assert.Equal(3, whole.ExitCode);
        Assert.True(whole.Json.GetProperty("guests").GetArrayLength() > 10, whole.Output);
        for (int i = 0; i < count; i++)
        {
            string part = Path.Combine("parts", string.Create(CultureInfo.InvariantCulture, $"{i:d2}"));
            Directory.CreateDirectory(scratch.PathOf("parts"));
            XstateProcess one = await XstateProcess.Run(["pool", .. inputs, "--shard", $"{i}/{count}", "-o", scratch.PathOf(part)]);
            Assert.True(one.ExitCode == 3, one.Error);
            Assert.StartsWith($"shard {i}/{count}: ", one.Output, StringComparison.Ordinal);
        }

        XstateProcess merged = await XstateProcess.Run(["pool", "--merge", scratch.PathOf("parts"), .. Rest[2..], "--json"]);
        Assert.Equal((whole.ExitCode, whole.Output), (merged.ExitCode, merged.Output));
        XstateProcess csv = await XstateProcess.Run(["pool", "--merge", scratch.PathOf("parts"), .. Rest[2..], "--csv"]);
        Assert.Equal((await XstateProcess.Run(["pool", .. inputs, "--csv"])).Output, csv.Output);
    }

    [Fact]
    public async Task A_fleet_without_guests_moves_the_fullest_after_a_merge_too()
    {
        using Scratch scratch = new();
        string[] parts = [scratch.PathOf("0"), scratch.PathOf("1")];
        await XstateProcess.Run(["pool", .. Hosts[..3], "--kernel", "linux-6.12", "--shard", "0/2", "-o", parts[0]]);
        await XstateProcess.Run(["pool", .. Hosts[..3], "--kernel", "linux-6.12", "--shard", "1/2", "-o", parts[1]]);
        XstateProcess merged = await XstateProcess.Run(["pool", "--merge", .. parts, "--json"]);
        Assert.Equal((await XstateProcess.Run(["pool", .. Hosts[..3], "--kernel", "linux-6.12", "--json"])).Output, merged.Output);
    }

    [Fact]
    public async Task Parts_that_do_not_belong_together_are_refused_with_the_reason()
    {
        using Scratch scratch = new();
        string records = WriteRecords(scratch, "a");
        string[] inputs = [.. Hosts[..3], "--kernel", "linux-6.12", "--vms", records];
        string zero = await Part("zero", "0/3");
        string one = await Part("one", "1/3");
        string two = await Part("two", "2/3");
        await Refused(2, "there is no part of shard 1 of 3 shards", zero, two);
        await Refused(2, "are both shard 1/3", zero, one, one, two);
        await Refused(2, "they are not of one run", zero, one, await Part("other", "2/4"));
        await Refused(2, "different hosts", zero, one, await Part("hosts", "2/3", Hosts[..2], "--kernel", "linux-6.12", "--vms", records));
        await Refused(2, "different hosts", zero, one, await Part("kernel", "2/3", Hosts[..3], "--kernel", "linux-5.10", "--vms", records));
        await Refused(2, "different inputs", zero, one, await Part("inputs", "2/3", [.. Hosts[..3]], "--kernel", "linux-6.12"));
        await Refused(2, "VMM firecracker", zero, one, await Part("vmm", "2/3", [.. inputs], "--vmm", "firecracker"));
        await Refused(2, "with --upgrade-to", zero, one, await Part("upgrade", "2/3", [.. inputs], "--upgrade-to", "linux-6.18"));
        await File.AppendAllTextAsync(records, "\n{\"vm\":\"late\",\"host\":\"intel-haswell\"}\n", TestContext.Current.CancellationToken);
        await Refused(2, "it has changed between them", zero, one, await Part("grown", "2/3"));

        async Task<string> Part(string name, string shard, string[]? given = null, params string[] more)
        {
            XstateProcess run =
                await XstateProcess.Run(["pool", .. given ?? inputs, .. more, "--shard", shard, "-o", scratch.PathOf(name)]);
            Assert.True(File.Exists(scratch.PathOf(name)), run.Error);
            return scratch.PathOf(name);
        }
    }

    [Fact]
    public async Task A_damaged_part_is_no_part()
    {
        using Scratch scratch = new();
        string part = scratch.PathOf("part");
        await XstateProcess.Run(["pool", .. Hosts[..2], "--kernel", "linux-6.12", "--shard", "0/1", "-o", part]);
        byte[] bytes = await File.ReadAllBytesAsync(part, TestContext.Current.CancellationToken);
        XstateProcess sound = await XstateProcess.Run("pool", "--merge", part, "--json");
        Assert.Equal(0, sound.ExitCode);
        for (int i = 0; i < 40; i++)
        {
            byte[] damaged = [.. bytes];
            damaged[i * (bytes.Length / 40)] ^= 1;
            await File.WriteAllBytesAsync(part, damaged, TestContext.Current.CancellationToken);
            await Refused(3, "xstate-pool-part: at offset", part);
            await File.WriteAllBytesAsync(part, bytes[..(i * (bytes.Length / 40))], TestContext.Current.CancellationToken);
            await Refused(3, "xstate-pool-part: at offset", part);
        }

        // With the right SHA-256: what is said of places that there are not.
        string text = Encoding.UTF8.GetString(bytes).Split('\n')[0];
        foreach ((string from, string to) in ((string, string)[])[
            ("\"of\":1", "\"of\":0"), ("\"classes\":[", "\"classes\":[7,"), ("\"hosts\":[", "\"hosts\":[[\"a\",\"b\",9],"),
            ("\"guests\":[", "\"guests\":[[\"k\",0,5]"), ("\"groups\":[", "\"groups\":[[4,0,1]"),
            ("\"captures\":[", "\"captures\":[[0,\"c\",0,-2]"),
            ("\"fingerprint\":\"", "\"fingerprint\":\"0"), ("\"program\":\"", "\"program\":\"9"), ("\"kernel\":[\"", "\"kernel\":[null,\""),
        ])
        {
            Assert.Contains(from, text, StringComparison.Ordinal);
            string changed = text.Replace(from, to, StringComparison.Ordinal);
            string hash = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(changed)));
            await File.WriteAllTextAsync(part, $"{changed}\n{{\"sha256\":\"{hash}\"}}\n", TestContext.Current.CancellationToken);
            await Refused(3, "xstate-pool-part: at offset", part);
        }
    }

    [Theory]
    [InlineData("--shard takes", "--shard", "64/64", "-o", "x")]
    [InlineData("--shard takes", "--shard", "0/0", "-o", "x")]
    [InlineData("--shard takes", "--shard", "-1/4", "-o", "x")]
    [InlineData("--shard needs -o PART", "--shard", "0/4")]
    [InlineData("--json does not go with --shard", "--shard", "0/4", "-o", "x", "--json")]
    [InlineData("HOST does not go with --merge", "--merge", "x")]
    public async Task What_makes_no_sense_together_is_refused(string expected, params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(["pool", Hosts[0], "--kernel", "linux-6.12", .. arguments]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(expected, run.Error, StringComparison.Ordinal);
    }

    private static async Task Refused(int exit, string why, params string[] parts)
    {
        XstateProcess run = await XstateProcess.Run(["pool", "--merge", .. parts, "--json"]);
        Assert.True(run.ExitCode == exit && run.Error.Contains(why, StringComparison.Ordinal), $"{run.ExitCode}: {run.Error}");
        Assert.Empty(run.Output);
    }

    // Guests of three processors under names that each file gives anew in the middle, once with escapes, and lines that are none.
    private static string WriteRecords(Scratch scratch, string name)
    {
        SplitMix64 random = new((ulong)name[0]);
        StringBuilder text = new();
        for (int i = 0; i < 240; i++)
        {
            string line = (i % 60) switch
            {
                0 => VmLines.Cpuid(
                    "web", random.Pick("intel-haswell", "intel-icelake", "amd-genoa"), i % 120 == 0 ? "cpuid" : "\\u0063puid"),
                7 => """{"vm":"lost","host":"nowhere"}""",
                11 => """{"vm":"broken" """,
                13 => """{"vm":"a","guestCpuid":"unheard of"}""",
                17 => "",
                23 => $"{{\"vm\":\"{new string('x', 70_000)}\"}}",
                _ => Vm(ref random, i),
            };
            text.Append(line).Append('\n');
        }

        string path = scratch.PathOf($"{name}.jsonl");
        File.WriteAllText(path, text.ToString());
        return path;
    }

    private static string Vm(ref SplitMix64 random, int index)
    {
        string host = random.Pick("intel-haswell", "intel-icelake", "intel-sapphire-rapids", "elsewhere");
        string cpuid = host == "elsewhere" || random.OneIn(2) ? "\"guestCpuid\":\"web\"," : "";
        string used = random.Pick("", ",\"sse\"", ",\"avx\"");
        return $"{{\"vm\":\"vm-{index}\",\"host\":\"{host}\",{cpuid}\"xcr0\":\"0x7\",\"inUse\":[\"x87\"{used}]}}";
    }
}
