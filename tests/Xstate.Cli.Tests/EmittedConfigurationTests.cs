using System.Text.Json;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Cli.Tests;

/// <summary>What <c>pool --emit</c> and <c>make-cpuid</c> write is taken by the programs that read it.</summary>
public class EmittedConfigurationTests
{
    private const string Qemu = "/usr/bin/qemu-system-x86_64";
    private const string CpuMap = "/usr/share/libvirt/cpu_map/x86_features.xml";

    private static readonly string[] Hosts =
        ["samples/hosts/intel-sapphire-rapids.json", "samples/hosts/intel-haswell.json", "samples/hosts/amd-genoa.json"];

    /// <summary>Names that QEMU and libvirt got after 7.2 and 9.0; older ones refuse them, and that is said in docs/pool.md.</summary>
    public static IReadOnlySet<string> Later { get; } = new HashSet<string>(StringComparer.Ordinal)
    {
        "amx-complex", "amx-fp16", "apxf", "auto-ibrs", "avx-ifma", "avx-ne-convert", "avx-vnni-int16", "avx-vnni-int8", "avx10",
        "cmpccxadd", "fdp-excptn-only", "flush-l1d", "fred", "fsrc", "fsrs", "fzrm", "ibt", "lam", "lfence-always-serializing", "lkgs",
        "null-sel-clr-base", "prefetchiti", "sha512", "shstk", "sm3", "sm4", "wrmsrns", "zero-fcs-fds",
    };

    [Fact]
    public async Task Each_name_of_a_feature_is_one_of_QEMU()
    {
        Assert.SkipUnless(File.Exists(Qemu), "there is no QEMU here");
        string help = (await Shell.Run($"{Qemu} -cpu help")).Output;
        HashSet<string> known = [.. help[help.IndexOf("CPUID flags", StringComparison.Ordinal)..].Split((char[]?)null)];
        string[] unknown = [.. Names().Where(name => !known.Contains(name) && !Later.Contains(name))];
        Assert.Empty(unknown);
    }

    [Fact]
    public void Each_name_of_a_feature_is_one_of_libvirt()
    {
        Assert.SkipUnless(File.Exists(CpuMap), "there is no libvirt here: Debian has it in libvirt-clients");
        string map = File.ReadAllText(CpuMap);
        string[] unknown =
            [.. Names().Where(name => !map.Contains($"name='{name}'", StringComparison.Ordinal) && !Later.Contains(name))];
        Assert.Empty(unknown);
    }

    // libvirt's own driver for tests parses and validates as the others do.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(-1)]
    public async Task Libvirt_defines_a_guest_with_it(int group)
    {
        Assert.SkipUnless(File.Exists("/usr/bin/virsh"), "there is no virsh here: Debian has it in libvirt-clients");
        using Scratch scratch = new();
        string cpu = await File.ReadAllTextAsync(
            group < 0 ? await Make(scratch, "libvirt-cpu-model") : await Emit(scratch, "libvirt", $"class-{group}.xml"),
            TestContext.Current.CancellationToken);
        Assert.Contains("<feature", cpu, StringComparison.Ordinal);
        XstateProcess good = await Define(cpu);
        Assert.True(good.ExitCode == 0, good.Error);
        XstateProcess bad = await Define(cpu.Replace("policy='disable'", "policy='off'", StringComparison.Ordinal));
        Assert.Contains("validate against schema", bad.Error, StringComparison.Ordinal);

        async Task<XstateProcess> Define(string element)
        {
            string domain = $"<domain type='test'><name>g</name><memory>1048576</memory><os><type arch='x86_64'>hvm</type></os>{element}"
                + "</domain>";
            await File.WriteAllTextAsync(scratch.PathOf("domain.xml"), domain, TestContext.Current.CancellationToken);
            return await Shell.Run($"virsh -c test:///default define --validate '{scratch.PathOf("domain.xml")}'");
        }
    }

    // As docs/cpu_templates/schema.json of Firecracker has it, and its text about bitmaps.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_template_is_as_Firecracker_documents_it(int group)
    {
        using Scratch scratch = new();
        string path = group < 0 ? await Make(scratch, "firecracker-cpu-template")
            : await Emit(scratch, "firecracker", $"class-{group}.json");
        using JsonDocument json = JsonDocument.Parse(await File.ReadAllTextAsync(path, TestContext.Current.CancellationToken));
        Assert.Equal(["cpuid_modifiers", "msr_modifiers"], Members(json.RootElement));
        Assert.Empty(json.RootElement.GetProperty("msr_modifiers").EnumerateArray());
        JsonElement[] leaves = [.. json.RootElement.GetProperty("cpuid_modifiers").EnumerateArray()];
        Assert.NotEmpty(leaves);
        foreach (JsonElement leaf in leaves)
        {
            Assert.Equal(["flags", "leaf", "modifiers", "subleaf"], Members(leaf));
            Assert.Matches("^0x[0-9a-f]+$", leaf.GetProperty("leaf").GetString());
            Assert.Matches("^0x[0-9a-f]+$", leaf.GetProperty("subleaf").GetString());
            Assert.InRange(leaf.GetProperty("flags").GetInt32(), 0, 7);
            JsonElement[] modifiers = [.. leaf.GetProperty("modifiers").EnumerateArray()];
            Assert.NotEmpty(modifiers);
            Assert.All(modifiers, modifier =>
            {
                Assert.Equal(["bitmap", "register"], Members(modifier));
                Assert.Matches("^e[abcd]x$", modifier.GetProperty("register").GetString());
                Assert.Matches("^0b[01x]{32}$", modifier.GetProperty("bitmap").GetString());
            });
        }
    }

    private static IEnumerable<string> Members(JsonElement element) =>
        element.EnumerateObject().Select(member => member.Name).Order(StringComparer.Ordinal);

    private static IEnumerable<string> Names() => CpuidFeatures.All.Select(FeatureNames.QemuNameOf).OfType<string>().Distinct();

    private static async Task<string> Emit(Scratch scratch, string kind, string file)
    {
        XstateProcess run =
            await XstateProcess.Run(["pool", .. Hosts, "--kernel", "linux-6.12", "--emit", kind, "-o", scratch.PathOf("out")]);
        Assert.True(run.ExitCode == 0, run.Error);
        return scratch.PathOf($"out/{file}");
    }

    private static async Task<string> Make(Scratch scratch, string format)
    {
        string output = scratch.PathOf("made");
        XstateProcess run =
            await XstateProcess.Run("make-cpuid", Hosts[0], "--components", "avx,opmask", "--without", "pku", "--to", format, "-o", output);
        Assert.True(run.ExitCode == 0, run.Error);
        return output;
    }
}
