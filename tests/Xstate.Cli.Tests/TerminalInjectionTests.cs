using System.IO.Compression;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xstate.Cli.Output;
using Xstate.Tests.Artifacts;
using Xstate.Tests.Artifacts.LibvirtSave;
using Xstate.Tests.Artifacts.QemuSnapshot;
using Xstate.Tests.Artifacts.QemuStream;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// Every text in every format, and every word of the command line, with an escape sequence and a forged line of a verdict in it: neither
/// reaches the terminal, and JSON has it complete.
/// </summary>
public sealed partial class TerminalInjectionTests : IDisposable
{
    private const string Forged = "  FORGED: loads, and the guest sees the same";
    private const string Evil = "\u001b]0;P\u0007\u009b8m\u202e\n" + Forged + "\n\r\u0000";

    // What XML cannot have is left out: control characters below 0x20 but line feeds.
    private const string EvilInXml = "\u009b8m\u202e\n" + Forged + "\n\u0085";
    private const string Host = "samples/hosts/intel-icelake.json@linux-6.12";
    private const string Sample = "samples/captures/leaked-pkru.json";
    private const int TextsOfAFile = 40;
    private const string InstLatx64 = """
        ------[ CPUID Registers / Logical CPU #0 ]------

        allcpu: Package 0 / Core 0 / Thread 0: Valid

        CPUID 00000000: 00000016-756E6547-6C65746E-49656E69 [GenuineIntel]
        CPUID 00000001: 000506E3-00100800-7FFAFBBF-BFEBFBFF
        CPUID 0000000D: 0000001F-00000440-00000440-00000000 [SL 00]
        CPUID 0000000D: 0000000F-00000440-00000100-00000000 [SL 01]
        CPUID 0000000D: 00000100-00000240-00000000-00000000 [SL 02]

        """;

    private readonly Scratch _scratch = new();
    private int _runs;

    public void Dispose() => _scratch.Dispose();

    [Fact]
    public async Task A_text_in_JSON_does_not_reach_the_terminal()
    {
        string[] files = [.. Directory.GetFiles(Repository.PathOf("samples", "captures"), "*.json").Order(StringComparer.Ordinal).Take(4),
            .. Directory.GetFiles(Repository.PathOf("samples", "hosts"), "*.json").Order(StringComparer.Ordinal).Take(3)];
        byte[][] documents = [.. files.Select(File.ReadAllBytes),
            .. new[] { CpuModelSamples.Expansion, CpuModelSamples.Template,
                CpuModelSamples.SmallFingerprint }.Select(Encoding.UTF8.GetBytes),
                    Unpacked("CloudHypervisor", "SEMISYNTHETIC-ch53-state-1vcpu-s5.json.gz"),
                        File.ReadAllBytes(Repository.PathOf("samples", "scenarios", "case-5-trim.json"))];
        foreach (byte[] document in documents.SelectMany(Values))
        {
            foreach (byte[] changed in WithTexts(document))
            {
                await RunAll(changed);
            }
        }

        Assert.True(_runs > 500, $"{_runs}");
    }

    [Fact]
    public async Task A_text_in_XML_or_in_lines_does_not_reach_the_terminal()
    {
        string dump = Encoding.UTF8.GetString(await Converted("cpuid-r"));
        foreach (string text in (string[])[CpuModelSamples.Cpudata, CpuModelSamples.DomainCapabilities, CpuModelSamples.CpuMap,
            CpuModelSamples.Libcpuid, CpuModelSamples.ProcCpuinfo, dump, InstLatx64])
        {
            string evil = text.StartsWith('<') ? EvilInXml : Evil;
            foreach (Match word in Spread([.. Word().Matches(text)]))
            {
                await RunAll(Encoding.UTF8.GetBytes($"{text[..word.Index]}{evil}{text[(word.Index + word.Length)..]}"));
            }
        }

        Assert.True(_runs > 400, $"{_runs}");
    }

    [Fact]
    public async Task A_text_in_a_binary_file_does_not_reach_the_terminal()
    {
        byte[][] files =
        [
            StreamBuilder.Tcg(),
            StreamBuilder.Kvm(),
            new SnapshotBuilder().Add("one", StreamBuilder.Tcg()).Add("two", StreamBuilder.Kvm()).Build(),
            new SaveBuilder().Build(StreamBuilder.Tcg()),
            File.ReadAllBytes(DataFile("Firecracker", "SEMISYNTHETIC-fc1.10-fmt4.0.0-1vcpu-s5.vmstate")),
            File.ReadAllBytes(DataFile("Criu", "core-2539.img")),
            File.ReadAllBytes(DataFile("Criu", "cpuinfo.img")),
            ProcessFiles.Minidump((1, ProcessFiles.Context(ProcessFiles.AvxArea(1)))),
            await Converted("kvm_cpuid2"),
            Unpacked("ElfCore", "zen4-kernel618-3threads-x86_64.core.gz"),
        ];
        foreach (byte[] file in files)
        {
            foreach ((int start, int length) in Spread(TextsOf(file)))
            {
                // As long as what was there: lengths around it stay right, so that it is read as the text that it stands for.
                byte[] changed = [.. file];
                byte[] evil = Encoding.Latin1.GetBytes("\u001b[8m\u009b\n" + Forged + "\n");
                for (int i = 0; i < length; i++)
                {
                    changed[start + i] = evil[i % evil.Length];
                }

                await RunAll(changed);
            }
        }

        Assert.True(_runs > 400, $"{_runs}");
    }

    [Fact]
    public async Task A_word_of_the_command_line_or_the_name_of_a_file_does_not_reach_the_terminal()
    {
        string named = _scratch.Copy(Sample, $"a\u001b[31m\n{Forged}\u202e.json");
        string[][] lines =
        [
            ["rules", Evil], ["explore", Evil], [Evil], ["show", Evil], ["show", Sample, Evil], ["show", Sample, "--format", Evil],
                ["show", Sample, "--xcr0", Evil], ["show", named],
            ["check", Sample, "--on", Evil], ["check", Sample, "--on", $"samples/hosts/amd-genoa.json@{Evil}"],
                ["check", Sample, "--on", Host, "--vmm", Evil], ["check", Sample, "--on", Host, "--vcpu-pkru", Evil],
            ["check", named, "--on", Host], ["check", Sample, "--on", Host, "--protected", Evil], ["diff", named, Sample],
                ["diff", Sample, named, "--json"], ["set", Sample, Evil, "-o", "x"], ["set", Sample, $"pkru={Evil}", "-o", "x"],
            ["convert", Sample, "--to", Evil, "-o", "x"], ["fix", named, "--on", Host, "-o", _scratch.PathOf($"out\u001b[0m\n{Forged}")],
                ["run", named, "--backend", Evil], ["run", Sample, "--backend", "model", "--host", Evil],
            ["show", "--pid=" + Evil], ["explore", "kvm-vmx-5.8", "--events", Evil], ["show", Sample, $"--{Evil}"],
                ["show", Sample, "--max-unpacked", Evil],
        ];
        foreach (string[] line in lines)
        {
            // A null ends an argument of a process; in this process it would not.
            Hold(await XstateProcess.Run([.. line.Select(word => word.Replace("\0", "", StringComparison.Ordinal))]), line);
        }
    }

    [Theory]
    [InlineData("{\"return\": fal{0}}")]
    [InlineData("{\"format\":\"xstate-capture\",\"version\":tr{0}}")]
    [InlineData("{\"format\":\"xstate-host\",\"version\":1,\"na{0}")]
    [InlineData("{\"format\":\"xstate-host\",\"version\":1,\"{0}\":1}")]
    [InlineData("{\"format\":\"xstate-host\",\"version\":{0}}")]
    [InlineData("CPU 0:\n   0x00000000 0x00: eax={0}\n")]
    [InlineData("<cpu><feature name='avx' policy='{0}'/></cpu>")]
    [InlineData("<domainCapabilities><{0}/></domainCapabilities>")]
    public async Task A_message_quotes_the_beginning_of_what_is_wrong_and_not_all_of_it(string text)
    {
        foreach (string wrong in (string[])[new string('x', 5000), $"{Evil}{new string('9', 5000)}", new string('9', 5000),
            "se\u001b]0;P\u0007" + new string('e', 5000)])
        {
            string path = _scratch.Write("wrong", Encoding.UTF8.GetBytes(text.Replace("{0}", wrong, StringComparison.Ordinal)));
            XstateProcess run = await XstateProcess.Run("show", path);
            Assert.Equal(3, run.ExitCode);
            Hold(run, ["show", text]);
            Assert.True(run.Error.Length < 1000, run.Error);
            XstateProcess scenario = await XstateProcess.Run("run", path, "--backend", "model", "--host", Host);
            Assert.Equal(3, scenario.ExitCode);
            Hold(scenario, ["run", text]);
            Assert.True(scenario.Error.Length < 1000, scenario.Error);
        }
    }

    [Fact]
    public async Task JSON_has_a_text_complete_and_text_for_people_has_its_beginning_and_what_is_left_out()
    {
        string name = $"{new string('n', 80)}{Evil}";
        JsonNode host = JsonNode.Parse(await File.ReadAllBytesAsync(Repository.PathOf("samples", "hosts", "intel-icelake.json"),
            TestContext.Current.CancellationToken))!;
        host["name"] = name;
        string file = _scratch.Write("host", JsonSerializer.SerializeToUtf8Bytes(host));
        XstateProcess json = await XstateProcess.Run("check", Sample, "--on", $"{file}@linux-6.12", "--json");
        Assert.Equal(name, json.Json.GetProperty("targets")[0].GetProperty("host").GetString());
        XstateProcess text = await XstateProcess.Run("check", Sample, "--on", $"{file}@linux-6.12");
        Assert.Contains($" on {name[..64]}… ({name.Length - 64} more characters) with ", text.Output, StringComparison.Ordinal);
        Hold(text, ["check"]);
    }

    // The document with each of its texts, or of many of them some, in place of the evil one.
    private static IEnumerable<byte[]> WithTexts(byte[] document)
    {
        List<string> paths = [];
        Collect(JsonNode.Parse(document)!, paths);
        foreach (string path in Spread(paths))
        {
            JsonNode root = JsonNode.Parse(document)!;
            List<JsonNode> nodes = [];
            Nodes(root, nodes);
            JsonNode place = nodes.First(node => node.GetPath() == path);
            place.ReplaceWith(Evil);
            yield return JsonSerializer.SerializeToUtf8Bytes(root);
        }
    }

    // QEMU's answers are several documents, one a line.
    private static IEnumerable<byte[]> Values(byte[] text)
    {
        try
        {
            JsonDocument.Parse(text).Dispose();
            return [text];
        }
        catch (JsonException)
        {
            return Encoding.UTF8.GetString(text).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(Encoding.UTF8.GetBytes);
        }
    }

    private static void Nodes(JsonNode? node, List<JsonNode> nodes)
    {
        IEnumerable<JsonNode?> inner = node switch
        {
            JsonObject owner => owner.Select(member => member.Value),
            JsonArray list => list,
            _ => [],
        };
        if (node is JsonValue value && value.GetValueKind() == JsonValueKind.String)
        {
            nodes.Add(node);
        }

        foreach (JsonNode? item in inner)
        {
            Nodes(item, nodes);
        }
    }

    private static void Collect(JsonNode root, List<string> paths)
    {
        List<JsonNode> nodes = [];
        Nodes(root, nodes);

        // One of the items of a list stands for all of them.
        HashSet<string> patterns = new(StringComparer.Ordinal);
        paths.AddRange(nodes.Select(node => node.GetPath()).Where(path => patterns.Add(Index().Replace(path, "[]"))));
    }

    private static List<(int Start, int Length)> TextsOf(byte[] file)
    {
        const int shortest = 3;
        List<(int Start, int Length)> texts = [];
        int start = 0;
        for (int i = 0; i <= file.Length; i++)
        {
            if (i < file.Length && file[i] is >= 0x20 and < 0x7F)
            {
                continue;
            }

            if (i - start >= shortest)
            {
                texts.Add((start, i - start));
            }

            start = i + 1;
        }

        return texts;
    }

    private static IEnumerable<T> Spread<T>(IReadOnlyList<T> items) =>
        items.Count <= TextsOfAFile ? items : Enumerable.Range(0, TextsOfAFile)
        .Select(i => items[(int)((long)i * items.Count / TextsOfAFile)]);

    // CPUID of a host: the texts in it are the vendor and the brand.
    private async Task<byte[]> Converted(string format)
    {
        string path = _scratch.PathOf(format);
        Assert.Equal(0, (await XstateProcess.Run("convert", "samples/hosts/intel-icelake.json", "--to", format, "-o", path)).ExitCode);
        return await File.ReadAllBytesAsync(path, TestContext.Current.CancellationToken);
    }

    private static byte[] Unpacked(string folder, string name)
    {
        using GZipStream content = new(File.OpenRead(DataFile(folder, name)), CompressionMode.Decompress);
        using MemoryStream bytes = new();
        content.CopyTo(bytes);
        return bytes.ToArray();
    }

    private static string DataFile(string folder, string name) =>
        Repository.PathOf("tests", "Xstate.Tests", "Artifacts", folder, "data", name);

    private async Task RunAll(byte[] file)
    {
        string path = _scratch.Write("evil", file);
        string[][] lines = (_runs / 4 % 3) switch
        {
            0 => [["show", path], ["check", path, "--on", Host], ["show", path, "--json"],
                ["fix", path, "--on", Host, "-o", _scratch.PathOf("out"), "--force"]],
            1 => [["show", path, "--all"], ["check", Sample, "--on", $"{path}@linux-6.12", "--layout", "samples/hosts/intel-icelake.json"],
                ["diff", path, Sample], ["convert", path, "--to", "kvm_xsave", "-o", _scratch.PathOf("out"), "--force"]],
            _ => [["show", path], ["check", Sample, "--on", path], ["run", path, "--backend", "model", "--host", Host],
                ["check", Sample, "--on", Host, "--guest-cpuid", path]],
        };
        foreach (string[] line in lines)
        {
            Hold(await XstateProcess.Run(line), line);
            _runs++;
        }
    }

    private static void Hold(XstateProcess run, string[] line)
    {
        Assert.True(run.ExitCode is >= 0 and <= 4, $"{run.ExitCode} of {string.Join(' ', line)}: {run.Error}");
        foreach (string text in (string[])[run.Output, run.Error])
        {
            // JSON's own escapes are no escape sequences, and it may have marks of direction as they are.
            bool isJson = text.StartsWith('{');
            Rune? found = text.EnumerateRunes().Cast<Rune?>().FirstOrDefault(rune => rune!.Value.Value != '\n'
                && (isJson ? Rune.IsControl(rune.Value) : TerminalWriter.IsUnsafe(rune.Value)));
            Assert.True(found is null, $"U+{found?.Value:X4} of {string.Join(' ', line)}: {text}");
            Assert.DoesNotContain("\n" + Forged, text, StringComparison.Ordinal);
        }

        Assert.True(run.Error.Length < 2000,
            $"{run.Error.Length} characters of {string.Join(' ', line)}: {run.Error[..Math.Min(500, run.Error.Length)]}");
    }

    [GeneratedRegex("[A-Za-z0-9_.-]{3,}", RegexOptions.None, 1000)]
    private static partial Regex Word();

    [GeneratedRegex(@"\[\d+\]", RegexOptions.None, 1000)]
    private static partial Regex Index();
}
