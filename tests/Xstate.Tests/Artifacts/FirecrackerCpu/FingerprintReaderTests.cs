using System.Text;
using Xstate.Artifacts;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.FirecrackerCpu;

public class FingerprintReaderTests
{
    [Fact]
    public void A_fingerprint_is_a_host_whose_CPUID_is_said_to_be_a_guests()
    {
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(CpuModelSamples.SmallFingerprint)));
        Assert.Equal(FingerprintReader.Format, artifact.Format);
        HostRecord host = artifact.Host!;
        Assert.Equal(new KernelRelease(6, 1, 172), host.Kernel);
        Assert.Equal(("GenuineIntel 6/85/4", 7UL), (host.Name, host.Cpuid.UserComponents.Bits));
        Assert.Equal("XS1211", Assert.Single(artifact.Findings).Rule.Id);
        Assert.Contains("as a guest sees it under Linux 6.1.172-216", host.Provenance.Detail, StringComparison.Ordinal);
    }

    [Fact]
    public void What_a_guests_leaf_0xD_lacks_is_found_too()
    {
        string text = CpuModelSamples.Fingerprint((0, 0, [0xD, 0x756E6547, 0x6C65746E, 0x49656E69]),
            (1, 0, [0x50654, 0, 0x1C00_0000, 0x0200_0001]), (0xD, 0, [7, 0x340, 0x340, 0]), (0xD, 1, [0, 0, 0, 0]));
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(["XS1211", "XS1202"], artifact.Findings.Select(finding => finding.Rule.Id));
    }

    [Theory]
    [InlineData("0b00000000000000000000001101000000", "0bx0000000000000000000001101000000", "all 32 bits")]
    [InlineData("\"kernel_version\": \"6.1.172-216.329.amzn2023.x86_64\", ", "", "the member kernel_version")]
    [InlineData("\"guest_cpu_config\"", "\"cpu_config\"", "one of")]
    [InlineData("\"register\": \"edx\"", "\"register\": \"ecx\"", "once")]
    public void What_is_no_fingerprint_is_malformed(string from, string to, string expected)
    {
        string text = CpuModelSamples.SmallFingerprint.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(CpuModelSamples.SmallFingerprint, text);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            FingerprintReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default));
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void An_answer_without_one_of_its_registers_is_malformed()
    {
        string text = CpuModelSamples.Fingerprint((0, 0, [0xD, 0, 0]));
        Assert.Equal("eax, ebx, ecx and edx",
            Assert.Throws<MalformedArtifactException>(() => FingerprintReader.Read(Encoding.UTF8.GetBytes(text),
                ArtifactLimits.Default)).Expected);
    }
}
