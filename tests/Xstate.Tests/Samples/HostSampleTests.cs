using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Samples;

/// <summary>The recorded hosts that ship with the repository.</summary>
public class HostSampleTests
{
    public static TheoryData<RecordedHost> Hosts => [.. RecordedHost.All];

    [Theory]
    [MemberData(nameof(Hosts), DisableDiscoveryEnumeration = true)]
    public void A_record_is_what_its_dump_gives_today(RecordedHost recorded)
    {
        byte[] derived = HostFileWriter.Write(recorded.Derive());
        if (Environment.GetEnvironmentVariable("XSTATE_UPDATE_SAMPLES") == "1")
        {
            File.WriteAllBytes(PathOf(recorded.Name), derived);
        }

        Assert.Equal(File.ReadAllText(PathOf(recorded.Name)), System.Text.Encoding.UTF8.GetString(derived));
    }

    [Theory]
    [MemberData(nameof(Hosts), DisableDiscoveryEnumeration = true)]
    public void A_record_is_read_and_written_back_identical(RecordedHost recorded)
    {
        byte[] bytes = File.ReadAllBytes(PathOf(recorded.Name));
        HostRecord host = Artifact.Open(new MemoryStream(bytes)).Host!;
        Assert.Equal(recorded.Name, host.Name);
        Assert.Equal(bytes, HostFileWriter.Write(host));
    }

    [Fact]
    public void Every_file_of_the_folder_is_a_record_of_the_list()
    {
        string[] files = [.. Directory.GetFiles(Repository.PathOf("samples", "hosts"), "*.json")
            .Select(file => Path.GetFileNameWithoutExtension(file)!).Order(StringComparer.Ordinal)];
        Assert.Equal(RecordedHost.All.Select(host => host.Name).Order(StringComparer.Ordinal), files);
    }

    [Theory]
    [InlineData("intel-haswell", 0x7, 832)]
    [InlineData("intel-skylake-sp", 0x2FF, 2696)]
    [InlineData("intel-cascadelake", 0x2FF, 2696)]
    [InlineData("intel-icelake", 0x2E7, 2696)]
    [InlineData("intel-sapphire-rapids", 0x602E7, 11008)]
    [InlineData("intel-alderlake", 0x207, 2696)]
    [InlineData("amd-rome", 0x207, 896)]
    [InlineData("amd-milan", 0x207, 2440)]
    [InlineData("amd-genoa", 0x2E7, 2440)]
    [InlineData("amd-turin", 0x2E7, 2440)]
    [InlineData("amd-zen4-pvm", 0xE7, 2432)]
    [InlineData("qemu-tcg-max", 0x21F, 2696)]
    public void A_record_has_the_components_and_the_area_of_its_processor(string name, ulong components, int length)
    {
        HostRecord host = Artifact.Open(new MemoryStream(File.ReadAllBytes(PathOf(name)))).Host!;
        XsaveLayout layout = XsaveLayout.FromCpuid(host.Cpuid);
        Assert.Equal(new StateComponentSet(components), layout.UserComponents);
        Assert.Equal(StateComponentSet.Empty, layout.MissingComponents);
        Assert.Equal(length, layout.StandardLength);
        Assert.StartsWith(name[..name.IndexOf('-', StringComparison.Ordinal)], host.Processor.Vendor switch
        {
            ProcessorVendor.Intel => "intel",
            ProcessorVendor.Amd when name.StartsWith("qemu", StringComparison.Ordinal) => "qemu",
            ProcessorVendor.Amd => "amd",
            _ => "other",
        }, StringComparison.Ordinal);
    }

    private static string PathOf(string name) => Repository.PathOf("samples", "hosts", name + ".json");
}
