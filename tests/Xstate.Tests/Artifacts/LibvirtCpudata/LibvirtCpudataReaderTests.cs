using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.LibvirtCpudata;

namespace Xstate.Tests.Artifacts.LibvirtCpudata;

public class LibvirtCpudataReaderTests
{
    [Theory]
    [InlineData("")]
    [InlineData("\uFEFF")]
    [InlineData("<?xml version='1.0' encoding='UTF-8'?>\r\n")]
    public void Answers_are_read_behind_whatever_may_stand_before_the_root(string before)
    {
        Artifact artifact = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(before + CpuModelSamples.Cpudata)));
        Assert.Equal(LibvirtCpudataReader.Format, artifact.Format);
        CpuidTable cpuid = artifact.Cpuid!.Cpuid;
        Assert.Equal(6, cpuid.Entries.Length);
        Assert.Equal((0x207UL, 0x380), (cpuid.UserComponents.Bits, XsaveLayout.FromCpuid(cpuid).StandardLength));
        Assert.Empty(artifact.Findings);
    }

    [Fact]
    public void A_sub_leaf_that_is_zero_and_one_that_is_missing_are_findings_and_stay_missing()
    {
        string zero = CpuModelSamples.Cpudata.Replace("ecx_in='0x09' eax='0x00000040' ebx='0x00000340'",
            "ecx_in='0x09' eax='0x00000000' ebx='0x00000000'", StringComparison.Ordinal);
        Assert.Equal("XS1201 0xd.9", Only(zero));
        string absent = CpuModelSamples.Cpudata.Replace("eax_in='0x0000000d' ecx_in='0x09'", "eax_in='0x00000003' ecx_in='0x00'",
            StringComparison.Ordinal);
        Assert.Equal("XS1202 0xd.9", Only(absent));
        string nothing = CpuModelSamples.Cpudata.Replace("eax='0x00000207' ebx='0x00000340' ecx='0x00000380'",
            "eax='0x00000000' ebx='0x00000000' ecx='0x00000000'", StringComparison.Ordinal);
        Assert.Equal("XS1203 0xd.0", Only(nothing));
        string impossible = CpuModelSamples.Cpudata.Replace("eax='0x00000040' ebx='0x00000340'", "eax='0x00000040' ebx='0x00000010'",
            StringComparison.Ordinal);
        Assert.Equal("XS1204 0xd.9", Only(impossible));
        string beyond = CpuModelSamples.Cpudata.Replace("eax='0x00000040' ebx='0x00000340'", "eax='0x00000041' ebx='0x00000340'",
            StringComparison.Ordinal);
        Assert.Equal("XS1204 0xd.9", Only(beyond));

        static string Only(string text)
        {
            Artifact artifact = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text)));
            return string.Join(", ", artifact.Findings.Select(finding => $"{finding.Rule.Id} {finding.Where.Leaf}"));
        }
    }

    [Theory]
    [InlineData("<cpudata arch='aarch64'/>", 1, "x86")]
    [InlineData("<cpudata/>", 1, "attribute arch")]
    [InlineData("<cpudata arch='x86'/>", 1, "at least one")]
    [InlineData("<cpudata arch='x86'><other/></cpudata>", 21, "<cpuid> or <msr>")]
    [InlineData("<cpudata arch='x86'><cpuid eax_in='0'/></cpudata>", 21, "attribute eax")]
    [InlineData("<cpudata arch='x86'><cpuid eax_in='0x1ffffffff'/></cpudata>", 21, "a number of 32 bits")]
    [InlineData("<cpudata arch='x86'><cpuid ", 27, "XML")]
    [InlineData("<cpudata arch='x86'><cpuid eax_in='&#x41;&bogus;'/></cpudata>", 41, "XML")]
    [InlineData("<cpudata arch='x86'/>more", 21, "XML")]
    [InlineData("<!DOCTYPE cpudata [<!ENTITY a 'b'>]><cpudata arch='x86'/>", 1, "without a document type")]
    public void What_is_not_such_a_document_names_its_offset_and_what_was_expected(string text, int offset, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            LibvirtCpudataReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default));
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
        Assert.InRange(error.Offset, offset - 1, offset + 1);
    }

    [Fact]
    public void Offsets_are_counted_in_bytes_over_every_kind_of_line_end()
    {
        const string Before = "<!-- äöü -->\r\n\r<!-- ∀ -->\n<cpudata arch='x86'>\n  ";
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(
            () => LibvirtCpudataReader.Read(Encoding.UTF8.GetBytes(Before + "<other/></cpudata>"), ArtifactLimits.Default));
        Assert.Equal(Encoding.UTF8.GetByteCount(Before) + 1, error.Offset);
    }

    [Fact]
    public void Offsets_of_many_answers_behind_a_long_text_are_counted_once()
    {
        // Counted anew for each of 4,000 answers, 40 MB would be 160 GB: the test would not end.
        StringBuilder text = new($"<!--{new string('x', 40_000_000)}--><cpudata arch='x86'>");
        for (int leaf = 0; leaf < 4_000; leaf++)
        {
            text.Append($"<cpuid eax_in='{leaf}' eax='{(leaf == 0 ? 5_000 : 1)}' ebx='0' ecx='0' edx='0'/>");
        }

        Assert.Equal(4_000, LibvirtCpudataReader.Read(Encoding.UTF8.GetBytes(text.Append("</cpudata>").ToString()),
            ArtifactLimits.Default).Cpuid.Entries.Length);
    }

    [Fact]
    public void Deep_nesting_ends_in_an_error_and_not_in_the_stack()
    {
        byte[] deep = Encoding.ASCII.GetBytes("<cpudata arch='x86'>" + string.Concat(Enumerable.Repeat("<msr>", 100_000)));
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => LibvirtCpudataReader.Read(deep,
            ArtifactLimits.Default));
        Assert.Contains("nested", error.Found, StringComparison.Ordinal);
    }
}
