using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.Libcpuid;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.Libcpuid;

public class LibcpuidReaderTests
{
    [Fact]
    public void Leaves_and_the_tables_of_sub_leaves_are_read_up_to_the_line_of_dashes()
    {
        CpuidDump dump = Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes(CpuModelSamples.Libcpuid))).Cpuid!;
        Assert.Equal(LibcpuidReader.Format, dump.Format);
        Assert.Equal("AuthenticAMD", dump.Cpuid.Vendor);
        Assert.Equal(new CpuidRegisters(0x122, 0x01C0003F, 0x3F, 0), dump.Cpuid.Read(4, 1));
        Assert.Equal(0x2E7UL, dump.Cpuid.UserComponents.Bits);
        Assert.Equal(0x2FD3FBFFu, dump.Cpuid.Read(0x8000_0001).Edx);
    }

    [Fact]
    public void Components_are_announced_and_none_of_them_placed()
    {
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes(CpuModelSamples.Libcpuid)));
        Assert.False(artifact.Cpuid!.Processors[0].HasCompleteXsaveLeaf);
        Assert.Equal(new StateComponentSet(0x2E4), XsaveLayout.FromCpuid(artifact.Cpuid.Cpuid).MissingComponents);
        Assert.Equal(
            ["XS1202 0xd.2", "XS1202 0xd.5", "XS1202 0xd.6", "XS1202 0xd.7", "XS1202 0xd.9", "XS1205 0xd.1", "XS1208 0xe"],
            artifact.Findings.Select(finding => $"{finding.Rule.Id} {finding.Where.Leaf}").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_answer_of_leaf_0xD_that_is_another_sub_leafs_is_left_out()
    {
        CpuidDump dump = Read(CpuModelSamples.Libcpuid.Replace("000002e7 00000988 00000988", "00000040 00000340 00000000",
            StringComparison.Ordinal));
        Assert.True(dump.Cpuid.UserComponents.IsEmpty);
        Assert.False(dump.Cpuid.TryRead(0xD, 0, out _));
        Assert.Contains(dump.Remarks, remark => remark is { Defect: CpuidDefect.LeftOut, Leaf: 0xD });
    }

    [Fact]
    public void A_new_leaf_0_starts_a_processor()
    {
        string one = CpuModelSamples.Libcpuid[..CpuModelSamples.Libcpuid.IndexOf("----", StringComparison.Ordinal)];
        Assert.Equal(["CPU 0", "CPU 1"], Read($"# remark\nversion=0.7.0\n{one}{one}").Processors.Select(processor => processor.Label));
    }

    [Theory]
    [InlineData("basic_cpuid[1]=00a10f11 00020800 7efa320b")]
    [InlineData("basic_cpuid[1]=00a10f11 00020800 7efa320b 178bfbff 0")]
    [InlineData("basic_cpuid[1]=00a10f11 00020800 7efa320b 178bf")]
    [InlineData("basic_cpuid[x]=00a10f11 00020800 7efa320b 178bfbff")]
    [InlineData("basic_cpuid[99999]=00a10f11 00020800 7efa320b 178bfbff")]
    [InlineData("other_cpuid[1]=00a10f11 00020800 7efa320b 178bfbff")]
    public void A_line_that_is_no_answer_is_named_by_its_offset(string line)
    {
        const string First = "basic_cpuid[0]=0000000d 68747541 444d4163 69746e65\n";
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Read(First + line));
        Assert.Equal((LibcpuidReader.Format, First.Length), (error.Format, (int)error.Offset));
    }

    [Fact]
    public void Answers_without_a_place_have_a_ceiling_too()
    {
        StringBuilder text = new("basic_cpuid[0]=0000000d 68747541 444d4163 69746e65\n");
        for (int i = 0; i < 100; i++)
        {
            text.Append("basic_cpuid[13]=00000040 00000340 00000000 00000000\n");
        }

        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(
            () => LibcpuidReader.Read(Encoding.ASCII.GetBytes(text.ToString()), new ArtifactLimits { MaxCpuidEntries = 50 }));
        Assert.Equal("at most 50 for one processor", error.Expected);
    }

    private static CpuidDump Read(string text) => LibcpuidReader.Read(Encoding.ASCII.GetBytes(text), ArtifactLimits.Default);
}
