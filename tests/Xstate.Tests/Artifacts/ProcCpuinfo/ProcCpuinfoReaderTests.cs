using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.ProcCpuinfo;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Artifacts.ProcCpuinfo;

public class ProcCpuinfoReaderTests
{
    [Fact]
    public void Processors_with_the_same_flags_are_one_model()
    {
        CpuModelList list = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(CpuModelSamples.ProcCpuinfo))).Models!;
        Assert.Equal((ProcCpuinfoReader.Format, "Linux, 2 logical processors"), (list.Format, list.Writer));
        CpuModel model = Assert.Single(list.Models);
        Assert.Same(model, list.Main);
        Assert.Equal(("A processor", "GenuineIntel", 0x2E7UL, null), (model.Name, model.Vendor, model.Components.Value.Bits, model.Base));
    }

    [Fact]
    public void Processors_with_other_flags_are_another_model_and_none_stands_for_the_machine()
    {
        int second = CpuModelSamples.ProcCpuinfo.LastIndexOf("pku ospke", StringComparison.Ordinal);
        CpuModelList list = Read(CpuModelSamples.ProcCpuinfo.Remove(second));
        Assert.Equal([0x2E7UL, 0xE7UL], list.Models.Select(model => model.Components.Value.Bits));
        Assert.Null(list.Main);
    }

    [Fact]
    public void The_flags_of_a_real_machine_are_the_components_of_its_CPUID()
    {
        using FileStream flags = File.OpenRead(Repository.Shared("data", "cpuid", "thismachine", "proc-cpuinfo.txt"));
        using FileStream dump = File.OpenRead(Repository.Shared("data", "cpuid", "thismachine", "zen4-pvm-guest.cpuid-r.txt"));
        Assert.Equal(Artifact.Open(dump).Cpuid!.Cpuid.UserComponents, Artifact.Open(flags).Models!.Main!.Components.Value);
    }

    [Theory]
    [InlineData("processor\t: 0\nmodel name\t: x\n", 0, "at least one")]
    public void A_text_without_flags_is_malformed(string text, int offset, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Read(text));
        Assert.Equal(offset, error.Offset);
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("$ cat /proc/cpuinfo\n\n", "", 1)]
    [InlineData("```\n", "```\n", 0)]
    [InlineData("Hello,\nmy machine has\n", "bye\n", 3)]
    public void What_stands_around_it_changes_nothing_and_is_counted(string before, string behind, int skipped)
    {
        CpuModelList list = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(before + CpuModelSamples.ProcCpuinfo + behind))).Models!;
        Assert.Equal(0x2E7UL, Assert.Single(list.Models).Components.Value.Bits);
        Assert.Equal(skipped, list.Skipped?.Lines ?? 0);
    }

    [Theory]
    [InlineData("flags\t\t: fpu sse xsave avx avx512f pku ospke\n")]
    [InlineData("> flags\t\t: fpu sse xsave avx avx512f pku ospke\n> flags\t\t: fpu sse xsave avx avx512f pku ospke\n")]
    [InlineData("vendor_id\t: GenuineIntel\nflags\t\t: fpu sse xsave avx avx512f pku ospke\n")]
    public void The_flags_alone_are_read(string text)
    {
        CpuModelList list = Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes(text))).Models!;
        Assert.Equal((ProcCpuinfoReader.Format, 0x2E7UL), (list.Format, list.Main!.Components.Value.Bits));
    }

    [Fact]
    public void The_processor_is_told_by_vendor_family_and_model()
    {
        CpuModelList list = Read(
            "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t\t: 17\nstepping\t: 1\nflags\t\t: fpu xsave\n");
        Assert.Equal(new ProcessorModel(ProcessorVendor.Amd, 25, 17, 1), list.Main!.Processor);
        Assert.Null(Read(CpuModelSamples.ProcCpuinfo).Main!.Processor);
    }

    private static CpuModelList Read(string text) => ProcCpuinfoReader.Read(Encoding.UTF8.GetBytes(text), ArtifactLimits.Default);
}
