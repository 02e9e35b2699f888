using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>
/// CPU models and dumps on the command line: what a HOST lacks is named, what supplies it is used, and nothing is guessed.
/// </summary>
public sealed class CpuModelCommandTests : IDisposable
{
    private const string State = "samples/captures/live-avx512.json";
    private const string Host = "samples/hosts/intel-icelake.json";

    private readonly string _folder = Directory.CreateTempSubdirectory("xstate-cpu").FullName;

    [Fact]
    public async Task A_HOST_of_feature_names_is_refused_with_what_is_missing_and_how_to_supply_it()
    {
        XstateProcess run = await XstateProcess.Run("check", State, "--on", $"{Expansion("xsave", "avx", "avx512f", "pku")}@linux-6.12");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("no CPUID leaf 0xd", run.Error, StringComparison.Ordinal);
        Assert.Contains("opmask", run.Error, StringComparison.Ordinal);
        Assert.Contains("--host-layout FILE", run.Error, StringComparison.Ordinal);
        Assert.Contains("--layout FILE", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Theory]
    [InlineData("--host-layout")]
    [InlineData("--layout")]
    public async Task A_HOST_of_feature_names_with_a_processor_is_a_host(string option)
    {
        XstateProcess loads = await XstateProcess.Run("check", State, "--on", $"{Expansion("xsave", "avx", "avx512f", "pku")}@linux-6.12",
            option, Host, "--json");
        Assert.Equal("same", loads.Json.GetProperty("targets")[0].GetProperty("verdict").GetString());
        Assert.Contains(loads.Json.GetProperty("targets")[0].GetProperty("findings").EnumerateArray(),
            finding => finding.GetProperty("rule").GetString() == "XS1217");

        // The same processor, and a model without AVX-512: what the guest uses is not there.
        XstateProcess lacks = await XstateProcess.Run("check", State, "--on", $"{Expansion("xsave", "avx", "pku")}@linux-6.12", option,
            Host, "--json");
        Assert.Equal(1, lacks.ExitCode);
        Assert.NotEqual("same", lacks.Json.GetProperty("targets")[0].GetProperty("verdict").GetString());
    }

    [Fact]
    public async Task A_model_that_its_processor_cannot_be_is_refused()
    {
        XstateProcess run = await XstateProcess.Run("check", State, "--on", $"{Expansion("xsave", "avx", "amx-tile")}@linux-6.12",
            "--host-layout", Host);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("tiledata", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_HOST_with_a_hole_in_leaf_0xD_is_refused_until_the_hole_is_filled()
    {
        string holed = await Dump("holed.txt", without: " 0x09:");
        XstateProcess refused = await XstateProcess.Run("check", State, "--on", $"{holed}@linux-6.12");
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("does not tell where 0x200 (pkru) lie: leaf 0xd.9 missing or empty", refused.Error, StringComparison.Ordinal);

        XstateProcess helped = await XstateProcess.Run("check", State, "--on", $"{holed}@linux-6.12", "--host-layout", Host);
        Assert.Equal(0, helped.ExitCode);
        Assert.Contains("XS1217", helped.Output, StringComparison.Ordinal);
        Assert.Contains("the sub-leaves of pkru in leaf 0xd from samples/hosts/intel-icelake.json", helped.Output,
            StringComparison.Ordinal);

        XstateProcess wrong = await XstateProcess.Run("check", State, "--on", $"{holed}@linux-6.12", "--host-layout",
            "samples/hosts/amd-genoa.json");
        Assert.Equal(2, wrong.ExitCode);
        Assert.Contains("it has another layout", wrong.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_HOST_that_announces_XSAVE_and_nothing_else_is_refused()
    {
        string bare = await Dump("bare.txt", without: "0x0000000d");
        XstateProcess run = await XstateProcess.Run("check", State, "--on", $"{bare}@linux-6.12");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("announces XSAVE and does not tell leaf 0xd", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_base_that_a_HOST_only_names_is_looked_up_in_the_cpu_map_that_is_given()
    {
        string host = Write("host.xml", "<cpu mode='custom'><model>Base-One</model><feature policy='require' name='pku'/></cpu>");
        string map = Path.Combine(_folder, "map");
        Directory.CreateDirectory(map);
        await File.WriteAllTextAsync(Path.Combine(map, "x86_Base-One.xml"),
            "<cpus><model name='Base-One'><feature name='xsave'/><feature name='avx'/><feature name='avx512f'/></model></cpus>",
            TestContext.Current.CancellationToken);
        string[] check = ["check", State, "--on", $"{host}@linux-6.12", "--host-layout", Host];
        XstateProcess open = await XstateProcess.Run(check);
        Assert.Equal(2, open.ExitCode);
        Assert.Contains("undecided", open.Error, StringComparison.Ordinal);
        Assert.Contains("--cpu-map DIR", open.Error, StringComparison.Ordinal);
        XstateProcess found = await XstateProcess.Run([.. check, "--cpu-map", map]);
        Assert.True(found.ExitCode == 0, found.Output + found.Error);
        Assert.Contains("on Base-One of CPU map of libvirt, x86_Base-One.xml", found.Output, StringComparison.Ordinal);

        // A base without AVX-512 is another answer, and one that is not there is none.
        await File.WriteAllTextAsync(Path.Combine(map, "x86_Base-One.xml"),
            "<cpus><model name='Base-One'><feature name='xsave'/><feature name='avx'/></model></cpus>",
            TestContext.Current.CancellationToken);
        Assert.Equal(1, (await XstateProcess.Run([.. check, "--cpu-map", map])).ExitCode);
        File.Delete(Path.Combine(map, "x86_Base-One.xml"));
        XstateProcess missing = await XstateProcess.Run([.. check, "--cpu-map", map]);
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("there is no x86_Base-One.xml", missing.Error, StringComparison.Ordinal);
        string leading = Write("leading.xml", "<cpu mode='custom'><model>../../host</model></cpu>");
        XstateProcess outside = await XstateProcess.Run("check", State, "--on", $"{leading}@linux-6.12", "--host-layout", Host,
            "--cpu-map", map);
        Assert.Equal(2, outside.ExitCode);
        Assert.Contains("'../../host' is no name of a model", outside.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_installed_cpu_map_completes_a_model()
    {
        const string Map = "/usr/share/libvirt/cpu_map";
        Assert.SkipUnless(File.Exists($"{Map}/x86_Skylake-Server.xml"), "libvirt's CPU map is not installed");
        string host = Write("host.xml",
            "<cpu mode='custom'><model>Skylake-Server</model><feature policy='require' name='xsaves'/><feature policy='require' "
            + "name='pku'/><feature policy='disable' name='mpx'/></cpu>");
        XstateProcess run = await XstateProcess.Run("check", State, "--on", $"{host}@linux-6.12", "--host-layout", Host, "--cpu-map", Map);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("x86_Skylake-Server.xml", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Convert_writes_the_CPUID_that_guests_see_under_a_template()
    {
        string template = Write("t.json",
            """{"cpuid_modifiers": [{"leaf": "0xd", "subleaf": "0x0", "flags": 1, "modifiers": [{"register": "eax", "bitmap": "0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx"}]}]}""");
        string written = Path.Combine(_folder, "guest.txt");
        XstateProcess convert = await XstateProcess.Run("convert", Host, "--to", "cpuid-r", "--cpu-template", template, "-o", written);
        Assert.True(convert.ExitCode == 0, convert.Error);
        string plain = Path.Combine(_folder, "plain.txt");
        await XstateProcess.Run("convert", Host, "--to", "cpuid-r", "-o", plain);
        string[] before = await File.ReadAllLinesAsync(plain, TestContext.Current.CancellationToken);
        string[] after = await File.ReadAllLinesAsync(written, TestContext.Current.CancellationToken);
        string changed = Assert.Single(after.Except(before));
        Assert.Contains("0x0000000d 0x00: eax=0x00000007", changed, StringComparison.Ordinal);
        XstateProcess record = await XstateProcess.Run("convert", Host, "--to", "xstate-host", "--cpu-template", template, "-o",
            Path.Combine(_folder, "host.json"));
        Assert.Equal(2, record.ExitCode);
        Assert.Contains("would say it of the processor", record.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_changes_the_guests_CPUID_and_needs_one()
    {
        string template = Write("t2.json",
            """{"cpuid_modifiers": [{"leaf": "0xd", "subleaf": "0x0", "flags": 1, "modifiers": [{"register": "eax", "bitmap": "0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx"}]}]}""");
        XstateProcess hidden = await XstateProcess.Run("check", State, "--on", $"{Host}@linux-6.12", "--guest-cpuid", Host,
            "--cpu-template", template, "--json");
        XstateProcess plain = await XstateProcess.Run("check", State, "--on", $"{Host}@linux-6.12", "--guest-cpuid", Host, "--json");
        Assert.NotEqual(plain.Output, hidden.Output);

        string beyond = Write("beyond.json",
            """{"cpuid_modifiers": [{"leaf": "0x77", "subleaf": "0x0", "flags": 0, "modifiers": [{"register": "eax", "bitmap": "0b0"}]}]}""");
        XstateProcess refused = await XstateProcess.Run("check", State, "--on", $"{Host}@linux-6.12", "--guest-cpuid", Host,
            "--cpu-template", beyond);
        Assert.Equal(2, refused.ExitCode);
        Assert.Contains("0x77.0, which this CPUID does not have", refused.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("models")]
    [InlineData("template")]
    [InlineData("dump")]
    public async Task What_show_says_fits_its_schema(string kind)
    {
        string file = kind switch
        {
            "models" => Expansion("xsave", "avx"),
            "template" =>
                Write("t.json",
                    """{"msr_modifiers": [{"addr": "0x10a", "bitmap": "0b1x0"}], "kvm_capabilities": ["!56"], "cpuid_modifiers": [{"leaf": "0x1", "subleaf": "0x0", "flags": 0, "modifiers": [{"register": "eax", "bitmap": "0b1"}]}]}"""),
            _ => await Dump("show.txt", without: " 0x09:"),
        };
        XstateProcess run = await XstateProcess.Run("show", file, "--json");
        Assert.Equal(0, run.ExitCode);
        Assert.Empty(new JsonSchema("show.answer.schema.json").Errors(run.Json));
        Assert.Equal(kind == "template" ? 0 : 1, run.Json.GetProperty("findings").GetArrayLength());
        XstateProcess text = await XstateProcess.Run("show", file);
        Assert.Contains(kind switch { "models" => "XS1212", "template" => "0x1.0.eax", _ => "XS1202" }, text.Output,
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_device_of_one_processor_is_shown_and_is_a_host()
    {
        Assert.SkipUnless(File.Exists("/dev/cpu/0/cpuid"), "there is no /dev/cpu/0/cpuid (kernel module cpuid)");
        XstateProcess show = await XstateProcess.Run("show", "/dev/cpu/0/cpuid", "--json");
        Assert.SkipWhen(show.ExitCode == 3, show.Error);
        Assert.Equal("cpuid-device", show.Json.GetProperty("format").GetString());
        Assert.Equal("CPU 0", show.Json.GetProperty("processors")[0].GetProperty("label").GetString());
        XstateProcess check = await XstateProcess.Run("check", State, "--on", "/dev/cpu/0/cpuid", "--json");
        Assert.Equal("cpu0", check.Json.GetProperty("targets")[0].GetProperty("host").GetString());
        XstateProcess host = await XstateProcess.Run("host", "--cpuid", "/dev/cpu/0/cpuid", "--json");
        Assert.Equal(show.Json.GetProperty("processors")[0].GetProperty("processor").GetProperty("userComponents").GetString(),
            host.Json.GetProperty("processor").GetProperty("userComponents").GetString());
        Assert.Equal(2, (await XstateProcess.Run("host", "--cpuid", Host)).ExitCode);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private string Write(string name, string text)
    {
        string path = Path.Combine(_folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    private string Expansion(params string[] features) =>
        Write($"{string.Join('-', features)}.json", "{\"return\": {\"model\": {\"name\": \"X\", \"props\": {"
            + string.Join(", ", features.Select(feature => $"\"{feature}\": true")) + "}}}}");

    // The CPUID of the sample host as cpuid -r prints it, without some lines.
    private async Task<string> Dump(string name, string without)
    {
        XstateProcess show = await XstateProcess.Run("show", Host, "--json");
        IEnumerable<string> lines = show.Json.GetProperty("cpuid").EnumerateArray().Select(entry =>
            $"   {Hex(entry, "leaf", 8)} {(entry.TryGetProperty("subleaf", out _) ? Hex(entry, "subleaf", 2) : "0x00")}: "
            + $"eax={Hex(entry, "eax", 8)} ebx={Hex(entry, "ebx", 8)} ecx={Hex(entry, "ecx", 8)} edx={Hex(entry, "edx", 8)}");
        return Write(name, string.Join('\n', lines.Where(line => !line.Contains(without, StringComparison.Ordinal)).Prepend("CPU 0:")));

        static string Hex(System.Text.Json.JsonElement entry, string member, int digits) => "0x" + entry.GetProperty(member)
            .GetString()![2..].PadLeft(digits, '0');
    }
}
