using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary><c>xstate pool</c>: its answers fit their schema and are those of <c>check</c>.</summary>
public class PoolCommandTests
{
    private static readonly string[] Hosts = ["samples/hosts/intel-haswell.json", "samples/hosts/intel-sapphire-rapids.json",
        "samples/hosts/amd-genoa.json@4.18.0-553.el8_10.x86_64"];
    private static readonly string[] Captures = ["samples/captures/leaked-pkru.json", "samples/captures/live-avx512.json",
        "samples/captures/xfd-tiles.json"];

    [Fact]
    public async Task The_verdicts_of_captures_are_those_of_check()
    {
        XstateProcess pool = await XstateProcess.Run(["pool", .. Hosts, "--kernel", "linux-6.1.40", "--captures", .. Captures, "--json"]);
        Assert.Equal(0, pool.ExitCode);
        Assert.Empty(new JsonSchema("pool.answer.schema.json").Errors(pool.Json));
        foreach (JsonElement capture in pool.Json.GetProperty("captures").EnumerateArray())
        {
            XstateProcess check = await XstateProcess.Run(["check", capture.GetProperty("file").GetString()!, "--on", .. Hosts, "--kernel",
                "linux-6.1.40", "--json"]);
            Assert.Equal(
                check.Json.GetProperty("targets").EnumerateArray()
                .Select(target => (target.GetProperty("argument").GetString(), target.GetProperty("verdict").GetString())),
                capture.GetProperty("verdicts").EnumerateObject().Select(verdict => ((string?)verdict.Name, verdict.Value.GetString())));
        }
    }

    [Fact]
    public async Task What_cannot_be_read_is_told_and_the_rest_is_answered()
    {
        XstateProcess run = await XstateProcess.Run(["pool", .. Hosts, "missing.json@linux-6.12", "--kernel", "linux-6.12", "--captures",
            "README.md", Captures[0], "--upgrade-to", "linux-6.18", "--json"]);
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(new JsonSchema("pool.answer.schema.json").Errors(run.Json));
        Assert.Equal(3, run.Json.GetProperty("classes").GetArrayLength());
        Assert.Equal("missing.json@linux-6.12", run.Json.GetProperty("unread")[0].GetProperty("argument").GetString());
        Assert.Equal(["error", "verdicts"], run.Json.GetProperty("captures").EnumerateArray()
            .Select(capture => capture.EnumerateObject().Last().Name).Order(StringComparer.Ordinal));
        Assert.Equal(2, (await XstateProcess.Run("pool", "samples/hosts/intel-haswell.json")).ExitCode);
    }

    [Fact]
    public async Task Text_has_eighty_columns_and_csv_a_line_a_pair_of_classes()
    {
        XstateProcess text = await XstateProcess.Run("pool", "samples/hosts/*.json", "--kernel", "linux-6.1.40", "--upgrade-to",
            "linux-6.12");
        Assert.Equal(0, text.ExitCode);
        Assert.All(text.Output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.Contains("alone takes", text.Output, StringComparison.Ordinal);
        XstateProcess csv = await XstateProcess.Run("pool", "samples/hosts/*.json", "--kernel", "linux-6.1.40", "--csv");
        string[] lines = csv.Output.TrimEnd().Split('\n');
        Assert.Equal(1 + (12 * 12), lines.Length);
        Assert.All(lines, line => Assert.Equal(7, line.Split(',').Length));
    }

    [Fact]
    public async Task Records_of_VMs_come_from_standard_input_and_a_bad_line_is_told()
    {
        string[] lines =
        [
            """{"vm":"a","host":"intel-haswell"}""",
            """{"vm":"b","host":"samples/hosts/intel-sapphire-rapids.json","xcr0":"0x602e7","inUse":["x87","sse"],"msrs":[["0x1c4","0x0"]]}""",
            """{"vm":"c","host":"nowhere"}""",
            """{"vm":"d"}""",
        ];
        JsonSchema schema = new("vm-record.schema.json");
        Assert.All(lines, line => Assert.Empty(schema.Errors(JsonDocument.Parse(line).RootElement)));
        XstateProcess run = await XstateProcess.Run(System.Text.Encoding.UTF8.GetBytes(string.Join('\n', lines)),
            ["pool", .. Hosts, "--kernel", "linux-6.12", "--vms", "-", "--json"]);
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(new JsonSchema("pool.answer.schema.json").Errors(run.Json));
        Assert.Equal([(0, 1L), (1, 1L)], run.Json.GetProperty("guests").EnumerateArray().Select(guest => guest.GetProperty("homes")[0])
            .Select(home => (home.GetProperty("home").GetInt32(), home.GetProperty("count").GetInt64())));
        string[] problems = [.. run.Json.GetProperty("captures").EnumerateArray()
            .Select(problem => problem.GetProperty("error").GetProperty("message").GetString()!)];
        Assert.Equal(2, problems.Length);
        Assert.StartsWith("line 3: ", problems[0], StringComparison.Ordinal);
        Assert.StartsWith("line 4: ", problems[1], StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("qemu", "class-0.args", "class-1.args")]
    [InlineData("libvirt", "class-0.xml", "class-1.xml")]
    [InlineData("firecracker", "class-0.json", "class-1.json")]
    [InlineData("cloud-hypervisor", "class-0.json", "class-1.json")]
    [InlineData("kvm_cpuid2", "class-0.bin", "class-1.bin")]
    public async Task The_guest_of_each_class_has_what_all_can_give(string kind, params string[] files)
    {
        using Scratch scratch = new();
        XstateProcess run = await XstateProcess.Run("pool", "samples/hosts/intel-icelake.json", "samples/hosts/intel-haswell.json",
            "--kernel", "linux-6.12", "--emit", kind, "-o", scratch.PathOf("out"));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
        Assert.Equal(files, Directory.GetFiles(scratch.PathOf("out")).Select(file => Path.GetFileName(file)!)
            .Order(StringComparer.Ordinal));
        XstateProcess again = await XstateProcess.Run("pool", "samples/hosts/intel-icelake.json", "samples/hosts/intel-haswell.json",
            "--kernel", "linux-6.12", "--emit", kind, "-o", scratch.PathOf("out"));
        Assert.Equal(2, again.ExitCode);
        string first = scratch.PathOf($"out/{files[0]}");
        if (kind is "qemu" or "libvirt")
        {
            Assert.Contains("avx512f", await File.ReadAllTextAsync(first, TestContext.Current.CancellationToken), StringComparison.Ordinal);
            Assert.DoesNotContain("avx512f", await File.ReadAllTextAsync(scratch.PathOf($"out/{files[1]}"),
                TestContext.Current.CancellationToken), StringComparison.Ordinal);
        }

        if (kind is "kvm_cpuid2" or "cloud-hypervisor")
        {
            foreach (string file in files)
            {
                JsonElement shown = (await XstateProcess.Run("show", scratch.PathOf($"out/{file}"), "--json")).Json;
                Assert.Equal("0x7", shown.GetProperty("processors")[0].GetProperty("processor").GetProperty("userComponents").GetString());
                Assert.Equal(0, (await XstateProcess.Run("lint", scratch.PathOf($"out/{file}"), "--guest", "linux")).ExitCode);
            }
        }
    }

    [Fact]
    public async Task QEMU_takes_what_is_emitted_for_it()
    {
        const string Qemu = "/usr/bin/qemu-system-x86_64";
        Assert.SkipUnless(File.Exists(Qemu), "there is no QEMU here");
        using Scratch scratch = new();
        await XstateProcess.Run("pool", "samples/hosts/intel-sapphire-rapids.json", "samples/hosts/intel-haswell.json",
            "samples/hosts/amd-genoa.json", "--kernel", "linux-6.12", "--emit", "qemu", "-o", scratch.PathOf("out"));
        string option = string.Join(',', await Task.WhenAll(
            File.ReadAllTextAsync(scratch.PathOf("out/class-0.args"), TestContext.Current.CancellationToken),
            File.ReadAllTextAsync(scratch.PathOf("out/class-2.args"), TestContext.Current.CancellationToken))).ReplaceLineEndings("");

        XstateProcess help = await Shell.Run($"{Qemu} -cpu help");
        string[] known = help.Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
        string[] parts = [.. option.Split(',').Where(part => part.Contains('=', StringComparison.Ordinal))
            .Where(part => !EmittedConfigurationTests.Later.Contains(part.Split('=')[0]) || known.Contains(part.Split('=')[0]))];
        Assert.True(parts.Length > 30, option);

        // Without KVM there is no host to pass through: the names of the features are what is tested.
        string model = $"max,{string.Join(',', parts)}";
        XstateProcess qemu = await Shell.Run($"echo quit | {Qemu} -accel tcg -machine q35 -display none -S -monitor stdio -cpu '{model}'");
        Assert.True(qemu.ExitCode == 0, qemu.Error);
        XstateProcess wrong = await Shell.Run(
            $"echo quit | {Qemu} -accel tcg -machine q35 -display none -S -monitor stdio -cpu '{model},no-such-feature=off'");
        Assert.NotEqual(0, wrong.ExitCode);
    }

    [Fact]
    public async Task Labels_of_nodes_are_the_same_in_every_pool_and_guests_go_where_they_are_not_refused()
    {
        using Scratch scratch = new();
        string[] hosts = ["samples/hosts/intel-icelake.json@linux-6.12", "samples/hosts/intel-haswell.json@linux-6.12"];
        await XstateProcess.Run(["pool", .. hosts, "--emit", "nfd", "-o", scratch.PathOf("nfd")]);
        await XstateProcess.Run(["pool", hosts[1], "--emit", "nfd", "-o", scratch.PathOf("other")]);
        await XstateProcess.Run(["pool", .. hosts, "--emit", "kubevirt", "-o", scratch.PathOf("kubevirt"), "--captures",
            "samples/captures/live-avx512.json"]);
        string[] labels = await File.ReadAllLinesAsync(scratch.PathOf("nfd/class-1.features"), TestContext.Current.CancellationToken);
        Assert.Equal(labels, await File.ReadAllLinesAsync(scratch.PathOf("other/class-0.features"), TestContext.Current.CancellationToken));
        Assert.All(labels, label => Assert.Matches("^[a-z0-9-]+=[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", label));
        string placement = await File.ReadAllTextAsync(scratch.PathOf("kubevirt/guest-0.yaml"), TestContext.Current.CancellationToken);
        Assert.Contains($"operator: NotIn\n          values:\n          - \"{labels[0].Split('=')[1]}\"", placement,
            StringComparison.Ordinal);
        Assert.Contains("name: \"intel-icelake\"", await File.ReadAllTextAsync(scratch.PathOf("kubevirt/class-0.yaml"),
            TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Hosts_that_differ_in_nothing_that_is_read_are_one_class()
    {
        using Scratch scratch = new();
        string[] names = [scratch.Copy("samples/hosts/amd-milan.json", "a.json"), scratch.Copy("samples/hosts/amd-milan.json", "b.json")];
        XstateProcess run = await XstateProcess.Run(["pool", .. names.Select(name => $"{name}@linux-6.12.30"),
            .. names.Select(name => $"{name}@linux-6.12.31"), "--json"]);
        Assert.Equal(4, run.Json.GetProperty("classes")[0].GetProperty("hosts").GetArrayLength());
        Assert.Empty(run.Json.GetProperty("pinned").EnumerateArray());
    }
}
