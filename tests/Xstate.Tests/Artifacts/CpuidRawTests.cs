using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.CpuidRaw;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts;

public class CpuidRawTests
{
    private const string Sample =
        """
        CPU 0:
           0x00000000 0x00: eax=0x0000001c ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65
           0x0000000d 0x00: eax=0x000000e7 ebx=0x00000980 ecx=0x00000980 edx=0x00000000
           0x0000000d 0x3e: eax=0x00000001 ebx=0x00000002 ecx=0x00000003 edx=0x00000004
        CPU 1:
           0x00000000 0x00: eax=0x0000001c ebx=0x68747541 ecx=0x444d4163 edx=0x69746e65

        """;

    [Fact]
    public void A_processor_that_is_named_otherwise_elsewhere_is_written_under_a_name_that_can_be_read()
    {
        CpuidDump dump = CpuidDump.Create("test",
            [new CpuidProcessor("vCPU:\n x", SampleCaptures.Cpuid), new CpuidProcessor("CPU 7", SampleCaptures.Cpuid)], []);
        CpuidDump read = CpuidRawReader.Read(CpuidRawWriter.Write(dump), ArtifactLimits.Default);
        Assert.Equal(["CPU 0", "CPU 7"], read.Processors.Select(processor => processor.Label));
    }

    [Fact]
    public void Processors_leaves_and_sub_leaves_are_read()
    {
        CpuidDump dump = Artifact.Open(new MemoryStream(Encoding.ASCII.GetBytes(Sample))).Cpuid!;
        Assert.Equal(CpuidRawReader.Format, dump.Format);
        Assert.Equal(["CPU 0", "CPU 1"], dump.Processors.Select(processor => processor.Label));
        Assert.Equal("AuthenticAMD", dump.Cpuid.Vendor);
        Assert.Equal(new CpuidRegisters(1, 2, 3, 4), dump.Cpuid.Read(0xD, 0x3E));
        Assert.False(dump.Cpuid.TryRead(0xD, 1, out _));
    }

    [Fact]
    public void What_was_read_is_written_back_identical()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(Sample);
        Assert.Equal(bytes, CpuidRawWriter.Write(CpuidRawReader.Read(bytes, ArtifactLimits.Default)));
    }

    [Theory]
    [InlineData("zen4-pvm-guest.cpuid-r.txt")]
    [InlineData("zen4-pvm-guest.cpuid-1r.txt")]
    public void A_real_dump_is_written_back_identical(string name)
    {
        byte[] bytes = File.ReadAllBytes(Repository.Shared("data", "cpuid", "thismachine", name));
        Assert.Equal(bytes, CpuidRawWriter.Write(CpuidRawReader.Read(bytes, ArtifactLimits.Default)));
    }

    [Theory]
    [InlineData("CPU 0:\n   0x00000000 0x00: eax=0x0000001c ebx=0x68747541 ecx=0x444d4163")]
    [InlineData("CPU 0:\n   0x00000000 0x00: eax=0x123456789 ebx=0x0 ecx=0x0 edx=0x0")]
    [InlineData("CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x0000\n0000")]
    [InlineData("CPU 0:\n   0x00000000 0x00: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x00000000 more")]
    public void An_answer_that_is_none_is_named_by_its_offset(string text)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(
            () => CpuidRawReader.Read(Encoding.ASCII.GetBytes(text), ArtifactLimits.Default));
        Assert.Equal("CPU 0:\n".Length, error.Offset);
        Assert.Contains("eax=0x", error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_cut_after_a_head_is_malformed_at_that_head()
    {
        byte[] bytes = Encoding.ASCII.GetBytes(Sample[..(Sample.IndexOf("CPU 1:", StringComparison.Ordinal) + 6)]);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CpuidRawReader.Read(bytes,
            ArtifactLimits.Default));
        Assert.Equal((bytes.Length - 6, "CPU 1 without an answer"), (error.Offset, error.Found));
    }

    [Fact]
    public void A_text_without_an_answer_is_malformed()
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => CpuidRawReader.Read("\n \n"u8,
            ArtifactLimits.Default));
        Assert.Equal("no CPUID answer", error.Found);
    }

    [Fact]
    public void Many_processors_of_answers_beyond_the_last_leaf_are_sorted_out_in_one_pass()
    {
        StringBuilder one = new("CPU:\n0x0 0x0: eax=0x00000000 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n");
        for (int leaf = 1; leaf < 4_000; leaf++)
        {
            one.Append($"0x{leaf:x} 0x0: eax=0x00000001 ebx=0x00000000 ecx=0x00000000 edx=0x00000000\n");
        }

        CpuidDump dump = CpuidRawReader.Read(Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(one.ToString(), 20))),
            ArtifactLimits.Default);
        Assert.All(dump.Processors, processor => Assert.Equal((1, 3_999), (processor.Cpuid.Entries.Length, processor.Unplaced.Length)));
    }
}
