using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.FirecrackerCpu;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts.FirecrackerCpu;

public class CpuTemplateReaderTests
{
    [Fact]
    public void A_bit_map_decides_its_digits_and_keeps_what_is_x_or_above_it()
    {
        CpuTemplate template = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(CpuModelSamples.Template))).Template!;
        Assert.Equal(
            [
                new CpuidModifier(0xD, 0, 1, CpuidRegister.Eax, 0x2F8, 0),
                new CpuidModifier(0x8000_0001, 0, 0, CpuidRegister.Ecx, 0b1101, 0b1001),
                new CpuidModifier(0x8000_0001, 0, 0, CpuidRegister.Edx, 1, 0),
            ],
            template.Cpuid);
        Assert.Equal((0x10Au, 0UL), (template.Msrs[0].Index, template.Msrs[0].Value));
        Assert.Equal(["!56"], template.KvmCapabilities);
        Assert.Equal(0xFFFF_FFFBu, template.Cpuid[1].ApplyTo(uint.MaxValue));
        Assert.Equal(0b1001u, template.Cpuid[1].ApplyTo(0));
        Assert.Equal("0x80000001.0.ecx", template.Cpuid[1].Place);
    }

    [Theory]
    [InlineData("0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx", "1x", "\"0b\" and")]
    [InlineData("0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx", "0b", "\"0b\" and")]
    [InlineData("0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx", "0b2", "\"0b\" and")]
    [InlineData("0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxx", "0bxxxxxxxxxxxxxxxxxxxxxx0x00000xxxx", "1 to 32")]
    [InlineData("\"eax\"", "\"rax\"", "eax, ebx, ecx, edx")]
    [InlineData("\"edx\"", "\"ecx\"", "once")]
    [InlineData("\"0xd\"", "\"0x1ffffffff\"", "32 bits")]
    [InlineData("\"subleaf\": \"0x0\", ", "", "the member subleaf")]
    [InlineData("msr_modifiers", "other", "one of")]
    [InlineData("!56\"]", "!56\"], \"reg_modifiers\": [1]", "x86-64")]
    public void A_broken_template_names_what_was_expected(string from, string to, string expected)
    {
        string text = CpuModelSamples.Template.Replace(from, to, StringComparison.Ordinal);
        Assert.NotEqual(CpuModelSamples.Template, text);
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() =>
            CpuTemplateReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default));
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void A_template_without_a_modifier_is_malformed() =>
        Assert.Throws<MalformedArtifactException>(() => CpuTemplateReader.Read("{\"cpuid_modifiers\": []}"u8, ArtifactLimits.Default));
}
