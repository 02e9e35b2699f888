using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.LibvirtCpuModel;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.LibvirtCpuModel;

public class LibvirtCpuModelReaderTests
{
    [Fact]
    public void The_host_model_of_domain_capabilities_is_a_base_with_differences()
    {
        CpuModelList list = Open(CpuModelSamples.DomainCapabilities).Models!;
        CpuModel host = list.Main!;
        Assert.Equal(("host-model", "Skylake-Server", "Intel", true), (host.Name, host.Base, host.Vendor, host.IsUsable));
        Assert.Equal((0x203UL, false), (host.Components.Value.Bits, host.LacksXsave));

        // AVX-512 is taken away, MPX may be there, and whether there is AVX only the base can tell.
        Assert.Equal(0x4UL | 0x18 | 0x6_0000 | 0x8_0000 | 0x4000_0000_0000_0000, (host.Undecided & StateComponents.UserComponents).Bits);
        Assert.Equal("qemu-system-x86_64, kvm", list.Writer);
        Assert.Equal(["host-passthrough", "host-model", "486", "Broadwell"], list.Models.Select(model => model.Name));
        Assert.Equal((false, "avx hle"), (list.Models[3].IsUsable, string.Join(' ', list.Models[3].Blockers)));
    }

    [Fact]
    public void What_only_the_base_can_tell_is_a_finding()
    {
        Artifact artifact = Open(CpuModelSamples.DomainCapabilities);
        Assert.Equal(["XS1213", "XS1212"], artifact.Findings.Select(finding => finding.Rule.Id));
        Assert.Contains("avx", artifact.Findings[0].Message, StringComparison.Ordinal);
        Assert.DoesNotContain("avx512", artifact.Findings[0].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_of_the_CPU_map_has_models_definitions_vendors_and_parts()
    {
        CpuModelList list = Open(CpuModelSamples.CpuMap).Models!;
        Assert.Equal(["Old", "Old-v1"], list.Models.Select(model => model.Name));
        Assert.Null(list.Main);
        Assert.Equal((0x7UL, 0x18UL, null), (list.Models[0].Components.Value.Bits, list.Models[0].Undecided.Bits, list.Models[0].Base));
        CpuModel whole = list.Models[1].On(list.Models[0]);
        Assert.Equal((0x7UL, 0x18UL, "Intel", null), (whole.Components.Value.Bits, whole.Undecided.Bits, whole.Vendor, whole.Base));
        Assert.Equal(["pni", "mpx", "rdctl-no"], list.Definitions.Select(definition => definition.Name));
        Assert.Equal(new FeatureBits(7, 0, "ebx", 0x4000), Assert.Single(list.Definitions[1].Bits));
        Assert.Equal(new FeatureBits(null, 0, "0x10a", 1), Assert.Single(list.Definitions[2].Bits));
        Assert.Equal(["sse3"], list.Definitions[0].Aliases);
        Assert.Equal([("Intel", "GenuineIntel")], list.Vendors);
        Assert.Equal(["x86_486.xml"], list.Includes);
    }

    [Fact]
    public void A_cpu_element_and_the_host_of_capabilities_are_read_alike()
    {
        const string Cpu = "<cpu mode='custom'><model fallback='forbid'>EPYC</model><feature policy='require' name='xsave'/><feature "
            + "policy='force' name='avx'/><feature policy='forbid' name='pku'/></cpu>";
        CpuModel bare = Open(Cpu).Models!.Main!;
        CpuModel host = Open(
            $"<capabilities><guest/><host><uuid>x</uuid>{Cpu}</host><guest><arch name='x'/></guest></capabilities>").Models!.Main!;
        foreach (CpuModel model in (CpuModel[])[bare, host])
        {
            Assert.Equal(("EPYC", 7UL), (model.Base, model.Components.Value.Bits));
            Assert.False(model.Undecided.Contains(StateComponent.Pkru));
            Assert.True(model.Undecided.Contains(StateComponent.Opmask));
        }
    }

    [Fact]
    public void A_model_without_a_base_lists_everything()
    {
        CpuModel model = Open("<cpu><feature name='xsave'/><feature name='pku'/></cpu>").Models!.Main!;
        Assert.Equal((0x203UL, 0UL, null), (model.Components.Value.Bits, model.Undecided.Bits, model.Base));
    }

    [Theory]
    [InlineData("avx512f", "opmask")]
    [InlineData("xsave avx512f", "opmask")]
    public void A_component_without_what_it_builds_upon_is_a_finding(string features, string named)
    {
        Artifact artifact = Open($"<cpu>{string.Concat(features.Split(' ').Select(name => $"<feature name='{name}'/>"))}</cpu>");
        Assert.Contains(named, artifact.Findings.Single(finding => finding.Rule.Id == "XS1214").Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<cpu><feature/></cpu>", "attribute name")]
    [InlineData("<cpu><feature policy='maybe' name='avx'/></cpu>", "require")]
    [InlineData("<cpu><feature policy='require' name='avx'/><feature policy='disable' name='avx'/></cpu>", "one policy")]
    [InlineData("<cpu><model><b/></model></cpu>", "text")]
    [InlineData("<capabilities><host/></capabilities>", "host with its CPU")]
    [InlineData("<domainCapabilities><cpu/></domainCapabilities>", "modes")]
    [InlineData("<domainCapabilities><cpu><mode name='custom'><blockers model='x'/></mode></cpu></domainCapabilities>", "listed before")]
    [InlineData("<cpus><model/></cpus>", "attribute name")]
    [InlineData("<cpus><unknown/></cpus>", "<model>")]
    [InlineData("<cpus><feature name='x'><cpuid eax_in='seven'/></feature></cpus>", "number")]
    public void What_is_not_such_a_document_is_malformed(string text, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Open(text));
        Assert.Equal(LibvirtCpuModelReader.Format, error.Format);
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Models_and_features_have_ceilings()
    {
        ArtifactLimits limits = new() { MaxModels = 3, MaxFeatures = 2 };
        Assert.Equal("at most 3", Refused(CpuModelSamples.CpuMap, limits));
        Assert.Equal("at most 2 of one model", Refused("<cpu><feature name='a'/><feature name='b'/><feature name='c'/></cpu>", limits));

        static string Refused(string text, ArtifactLimits limits) =>
            Assert.Throws<MalformedArtifactException>(() => LibvirtCpuModelReader.Read(Encoding.UTF8.GetBytes(text), limits)).Expected;
    }

    private static Artifact Open(string text) => Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
}
