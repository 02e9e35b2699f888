using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

public class HostFileTests
{
    [Fact]
    public void Everything_a_host_record_can_hold_survives_and_is_written_back_identical()
    {
        HostRecord host = SampleCaptures.Host;
        byte[] bytes = HostFileWriter.Write(host);
        Artifact artifact = Artifact.Open(new MemoryStream(bytes));
        Assert.Equal(HostFileReader.Format, artifact.Format);
        HostRecord read = artifact.Host!;
        Assert.Equal(
            (host.Name, host.Kernel, host.Flavour, host.Xcr0, host.MxcsrMask, host.Xsave2Size, host.Provenance),
            (read.Name, read.Kernel, read.Flavour, read.Xcr0, read.MxcsrMask, read.Xsave2Size, read.Provenance));
        Assert.Equal(host.Cpuid.Entries, read.Cpuid.Entries);
        Assert.Equal(host.SupportedCpuid!.Entries, read.SupportedCpuid!.Entries);
        Assert.Equal(host.Probes, read.Probes);
        Assert.Equal(bytes, HostFileWriter.Write(read));
    }

    [Theory]
    [InlineData(KvmFlavour.Unknown)]
    [InlineData(KvmFlavour.Intel)]
    [InlineData(KvmFlavour.Amd)]
    [InlineData(KvmFlavour.Pvm)]
    public void Every_flavour_survives(Enum flavourValue)
    {
        KvmFlavour flavour = (KvmFlavour)flavourValue;
        HostRecord read = HostFileReader.Read(HostFileWriter.Write(SampleCaptures.Host with { Flavour = flavour }), ArtifactLimits.Default);
        Assert.Equal(flavour, read.Flavour);
    }

    [Fact]
    public void What_is_not_known_stays_unknown()
    {
        HostRecord named = new() { Name = "n", Cpuid = CpuidTable.Empty, Provenance = new Provenance(FactSource.Given, "") };
        HostRecord read = HostFileReader.Read(HostFileWriter.Write(named), ArtifactLimits.Default);
        Assert.Null(read.Kernel);
        Assert.Null(read.Xcr0);
        Assert.Null(read.MxcsrMask);
        Assert.Null(read.Xsave2Size);
        Assert.Null(read.SupportedCpuid);
        Assert.Empty(read.Probes);
    }

    [Fact]
    public void Members_may_come_in_any_order_as_sorting_programs_write_them()
    {
        string text =
            """{"cpuid":[{"ebx":"0x1","eax":"0x0","edx":"0x3","ecx":"0x2","leaf":"0x7","subleaf":"0x0"}],"format":"xstate-host","name":"n","provenance":{"detail":"d","source":"given"},"version":1}""";
        Assert.Equal(new CpuidRegisters(0, 1, 2, 3), Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text))).Host!.Cpuid.Read(7, 0));
    }

    [Theory]
    [InlineData("\"kernel\": \"6.1.40\"", "\"kernel\": \"mainline\"", "\"mainline\" at $.kernel",
        "a Linux release such as \"6.1.40\", or what uname -r prints")]
    [InlineData("\"flavour\": \"kvm_intel\"", "\"flavour\": \"xen\"", "\"xen\" at $.flavour",
        "one of unknown, kvm_intel, kvm_amd, kvm_pvm")]
    [InlineData("\"mxcsrMask\": \"0xffff\"", "\"mxcsrMask\": \"0x1ffffffff\"", "\"0x1ffffffff\" at $.mxcsrMask",
        "a string from \"0x0\" to \"0xffffffff\"")]
    [InlineData("\"leaf\":\"0x4\",", "\"leaf\":\"0x4\",\"subleaf\":\"0x3\",", "both subleaf and index at $.cpuid[1]",
        "one of them or none")]
    [InlineData("\"leaf\":\"0x4\",", "", "no member leaf at $.cpuid[1]", "the member leaf")]
    [InlineData("\"present\":true", "\"present\":1", "1 at $.probes[0].present", "true or false")]
    [InlineData("\"version\": 1", "\"version\": 1.0", "version 1.0", "version 1")]
    [InlineData("\"name\": \"", "\"name\": \"\\ud800", "\"\\ud800h??st \\\"one\\\" <&>\" at $.name", "a string of valid Unicode")]
    public void What_is_wrong_is_told_with_its_path_what_is_there_and_what_was_expected(string right, string wrong, string found,
        string expected)
    {
        string good = Encoding.UTF8.GetString(HostFileWriter.Write(SampleCaptures.Host));
        Assert.Contains(right, good, StringComparison.Ordinal);
        int at = good.IndexOf(right, StringComparison.Ordinal);
        string bad = good[..at] + wrong + good[(at + right.Length)..];
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => HostFileReader.Read(Encoding.UTF8.GetBytes(bad),
            ArtifactLimits.Default));
        Assert.Equal((found, expected), (error.Found, error.Expected));
    }

    [Theory]
    [InlineData("\"flavour\": \"kvm_intel\"", "\"flavour\": \"xen\"", "\"xen\"")]
    [InlineData("\"present\":true", "\"present\":1", "1")]
    public void In_an_answer_of_host_an_error_is_where_the_file_has_it(string right, string wrong, string at)
    {
        string good = Encoding.UTF8.GetString(HostFileWriter.Write(SampleCaptures.Host));
        int place = good.IndexOf(right, StringComparison.Ordinal);
        string record = good[..place] + wrong + good[(place + right.Length)..];
        string answer = "{\n\"schemaVersion\": 1, \"verb\": \"host\", \"note\": \"before the record\", \"record\": " + record + "}";
        MalformedArtifactException alone = Assert.Throws<MalformedArtifactException>(() =>
            HostFileReader.Read(Encoding.UTF8.GetBytes(record), ArtifactLimits.Default));
        MalformedArtifactException inside = Assert.Throws<MalformedArtifactException>(() =>
            HostFileReader.Read(Encoding.UTF8.GetBytes(answer), ArtifactLimits.Default));
        Assert.Equal((alone.Found, alone.Expected, alone.Offset + answer.IndexOf(record, StringComparison.Ordinal)),
            (inside.Found, inside.Expected, inside.Offset));

        // Offsets count bytes: the host's name has letters of two.
        Assert.StartsWith(at, Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(answer).AsSpan((int)inside.Offset)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_host_inside_a_capture_has_no_format_of_its_own()
    {
        string good = Encoding.UTF8.GetString(Xstate.Artifacts.CaptureFile.CaptureFileWriter.Write(SampleCaptures.Full));
        string bad = good.Replace("\"host\": {", "\"host\": { \"format\": \"xstate-host\",", StringComparison.Ordinal);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(bad))));
        Assert.Equal("the member \"format\" at $.source.host", error.Found);
    }
}
