using System.Runtime.Versioning;
using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Linux.Tests;

[SupportedOSPlatform("linux")]
public sealed class CpuidDeviceTests(ITestOutputHelper output) : IDisposable
{
    private readonly string _file = Path.Combine(Path.GetTempPath(), $"xstate-cpuid-{Guid.NewGuid():N}");

    [Theory]
    [InlineData("/dev/cpu/0/cpuid", 0)]
    [InlineData("/dev/cpu/17/cpuid", 17)]
    [InlineData("/dev/cpu/../cpu/3//cpuid", 3)]
    [InlineData("/dev/cpu/0/msr", null)]
    [InlineData("/dev/cpu/x/cpuid", null)]
    [InlineData("/tmp/dev/cpu/0/cpuid", null)]
    [InlineData("cpuid", null)]
    public void A_device_is_known_by_its_path(string path, int? processor)
    {
        bool isDevice = CpuidDevice.IsPath(path, out int number);
        Assert.Equal(processor, isDevice ? number : null);
    }

    [Fact]
    public void Every_processors_device_answers_leaf_0xD_as_the_instruction_does()
    {
        string[] devices = Directory.Exists("/dev/cpu")
            ? [.. Directory.GetDirectories("/dev/cpu").Select(folder => Path.Combine(folder, "cpuid")).Where(File.Exists)] : [];
        Assert.SkipWhen(devices.Length == 0, "there is no /dev/cpu/0/cpuid (kernel module cpuid)");
        CpuidTable here = HostCpuid.Read();
        foreach (string device in devices)
        {
            CpuidTable there;
            try
            {
                CpuidDump dump = CpuidDevice.Read(device);
                Assert.Equal((CpuidDevice.Format, $"CPU {Path.GetFileName(Path.GetDirectoryName(device))}"),
                    (dump.Format, dump.Processors[0].Label));
                there = dump.Cpuid;
            }
            catch (UnauthorizedAccessException refusal)
            {
                Assert.Skip(refusal.Message);
                return;
            }

            // Hybrid processors differ in caches and clocks; leaf 0xD has been equal in all of them.
            Assert.Equal(here.Vendor, there.Vendor);
            Assert.Equal(here.UserComponents, there.UserComponents);
            Assert.Equal(here.SupervisorComponents, there.SupervisorComponents);
            Assert.Equal(XsaveLayout.FromCpuid(here), XsaveLayout.FromCpuid(there));
            output.WriteLine($"{device}: {there.Entries.Length} answers, XCR0 {there.UserComponents}");
        }
    }

    [Fact]
    public void A_device_that_gives_less_than_an_answer_is_an_error_that_names_the_leaf()
    {
        File.WriteAllBytes(_file, new byte[10]);

        // Leaf 1 is asked first: it tells whether there are hypervisor leaves.
        Assert.EndsWith("gave 9 bytes for leaf 0x1.0, not 16", Assert.Throws<IOException>(() => CpuidDevice.Read(_file)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_device_that_is_not_there_is_an_error() => Assert.ThrowsAny<IOException>(() => CpuidDevice.Read("/dev/cpu/99999/cpuid"));

    public void Dispose() => File.Delete(_file);
}
