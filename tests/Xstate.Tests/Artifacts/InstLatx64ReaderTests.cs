using System.Text;
using Xstate.Architecture;
using Xstate.Artifacts;
using Xstate.Artifacts.InstLatx64;
using Xstate.Captures;

namespace Xstate.Tests.Artifacts;

public class InstLatx64ReaderTests
{
    private const string Leaf0 = "CPUID 00000000: 0000000D-756E6547-6C65746E-49656E69 [GenuineIntel]\n";

    [Theory]
    [InlineData("CPUID 0000000D: 000002e7-00000980-00000988-00000000 [SL 00] [x87]")]
    [InlineData("CPUID 0000000D : 000002E7 00000980 00000988 00000000 [SL 00]")]
    [InlineData("CPUID 0000000D  \t000002E7-00000980-00000988-00000000 [SL 00]")]
    [InlineData("CPUID 0000000D 000002E7-00000980-00000988-00000000 [SL 0]\r")]
    public void Every_separator_that_real_dumps_use_is_read(string line)
    {
        CpuidTable cpuid = Read(line).Cpuid;
        Assert.Equal(new CpuidRegisters(0x2E7, 0x980, 0x988, 0), cpuid.Read(0xD, 0));
        Assert.Equal(0x2E7UL, cpuid.UserComponents.Bits);
    }

    [Theory]
    [InlineData("------[ CPUID Registers / Logical CPU #3 ]------", "CPU 3")]
    [InlineData("------[ Logical CPU #3 ]------", "CPU 3")]
    [InlineData("CPUID Registers (CPU #3):", "CPU 3")]
    [InlineData("CPUID Registers (CPU #3 Virtual):", "CPU 3")]
    [InlineData("CPU#003 AffMask: 0x0000000000000008 ", "CPU 3")]
    [InlineData("", "CPU 1")]
    public void Every_kind_of_head_and_a_new_leaf_0_starts_a_processor(string head, string label)
    {
        CpuidDump dump = Read($"{Leaf0}{head}\n\nallcpu: Valid\n{Leaf0}");
        Assert.Equal(["CPU 0", label], dump.Processors.Select(processor => processor.Label));
        Assert.All(dump.Processors, processor => Assert.Equal("GenuineIntel", processor.Cpuid.Vendor));
    }

    [Fact]
    public void A_dump_that_begins_as_cpuid_r_does_is_told_by_its_answers() =>
        Assert.Equal(InstLatx64Reader.Format, Artifact.Open(new MemoryStream(Encoding.UTF8.GetBytes("CPU 0:\n" + Leaf0))).Format);

    [Fact]
    public void Sub_leaf_1_without_a_number_is_told_by_what_no_component_can_be()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 0000000D: 000000E7-00000980-00000980-00000000\n"
            + "CPUID 0000000D: 0000000F-00000A00-00000100-00000000\n"
            + "CPUID 0000000D: 00000100-00000240-00000000-00000000\n");
        Assert.Equal(new CpuidRegisters(0xF, 0xA00, 0x100, 0), dump.Cpuid.Read(0xD, 1));
        Assert.Contains(dump.Remarks, remark => remark is { Defect: CpuidDefect.PlacedByInference, Leaf: 0xD, Subleaf: 1 });
        Assert.DoesNotContain(dump.Remarks, remark => remark.Defect == CpuidDefect.NoXsaveFeatures);
    }

    [Fact]
    public void Components_without_a_number_are_told_by_their_place_on_a_processor_of_the_family()
    {
        const string Signature = "CPUID 00000001: 00050654-00000000-04000000-00000000\n";
        const string Answers =
            "CPUID 0000000D: 000002E7-00000A88-00000A88-00000000\nCPUID 0000000D: 00000100-00000240-00000000-00000000\nCPUID 0000000D: "
            + "00000040-00000440-00000000-00000000\n"
            + "CPUID 0000000D: 00000200-00000480-00000000-00000000\nCPUID 0000000D: 00000400-00000680-00000000-00000000\nCPUID 0000000D: "
            + "00000008-00000A80-00000000-00000000\n";
        Assert.True(Read(Leaf0 + Signature + Answers).Processors[0].HasCompleteXsaveLeaf);

        // The same bytes on a processor whose family has another layout name no component.
        string amd = Leaf0.Replace("756E6547-6C65746E-49656E69", "68747541-444D4163-69746E65", StringComparison.Ordinal)
            + "CPUID 00000001: 00A10F11-00000000-04000000-00000000\n";
        Assert.False(Read(amd + Answers).Processors[0].HasCompleteXsaveLeaf);
    }

    [Fact]
    public void Heads_and_lines_of_MSR_sections_are_none_of_its_business()
    {
        CpuidDump dump = Read(
            $"{Leaf0}------[ MSR Registers / Logical CPU #0 ]------\nMSR 0000001B: 0000-0000-FEE0-0900\nCPUID Revision    : 000506E3h\n");
        Assert.Single(dump.Processors);
        Assert.Single(dump.Cpuid.Entries);
    }

    [Fact]
    public void Repeats_of_a_leaf_without_holes_are_numbered_in_order_and_remarked()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 00000004: 1C004121-01C0003F-0000003F-00000000\n"
            + "CPUID 00000004: 1C004122-01C0003F-0000003F-00000000\n"
            + "CPUID 00000004: 1C004143-01C0003F-000001FF-00000000\n");
        Assert.Equal(0x1C004143u, dump.Cpuid.Read(4, 2).Eax);
        Assert.Equal([1u, 2u], dump.Remarks.Select(remark => remark.Subleaf));
    }

    [Fact]
    public void A_repeat_of_leaf_0xD_that_could_be_several_sub_leaves_is_left_out_and_remarked()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 0000000D: 000000E7-00000980-00000980-00000000\n"
            + "CPUID 0000000D: 00000100-00000240-00000000-00000000\n"
            + "CPUID 0000000D: 00000040-00000340-00000000-00000000\n");
        CpuidProcessor processor = dump.Processors[0];
        Assert.True(XsaveLayout.FromCpuid(processor.Cpuid).TryGetSlot(StateComponent.Avx, out _));
        Assert.False(processor.HasCompleteXsaveLeaf);
        CpuidEntry left = Assert.Single(processor.Unplaced);
        Assert.Equal(new CpuidEntry(0xD, 2, false, new CpuidRegisters(0x40, 0x340, 0, 0)), left);
        Assert.Contains(dump.Remarks, remark => remark.Message.Contains("left out", StringComparison.Ordinal));
        Assert.Contains(dump.Remarks, remark => remark is { Leaf: 0xD, Subleaf: 5 }
            && remark.Message.Contains("not recorded", StringComparison.Ordinal));
    }

    [Fact]
    public void Avx_is_not_placed_by_its_looks_where_the_mask_lacks_it()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 0000000D: 00000003-00000240-00000240-00000000\n"
            + "CPUID 0000000D: 00000100-00000240-00000000-00000000\n");
        Assert.False(dump.Cpuid.TryRead(0xD, 2, out _));
        Assert.Single(dump.Processors[0].Unplaced);
    }

    [Fact]
    public void A_second_answer_for_the_same_sub_leaf_is_left_out_and_remarked()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 00000007: 00000000-00000001-00000000-00000000 [SL 00]\n"
            + "CPUID 00000007: 00000000-00000002-00000000-00000000 [SL 00]\n");
        Assert.Equal(1u, dump.Cpuid.Read(7, 0).Ebx);
        Assert.Contains(dump.Remarks, remark => remark.Message.Contains("another answer", StringComparison.Ordinal));
    }

    [Fact]
    public void Sub_leaf_0_does_not_answer_for_others_of_a_leaf_that_is_new_to_the_table()
    {
        CpuidDump dump = Read(
            Leaf0
            + "CPUID 0000000C: 00000001-00000000-00000000-00000000 [SL 00]\n"
            + "CPUID 0000000C: 00000002-00000000-00000000-00000000 [SL 01]\n");
        Assert.Equal(2u, dump.Cpuid.Read(0xC, 1).Eax);
        Assert.False(dump.Cpuid.TryRead(0xC, 2, out _));
    }

    [Theory]
    [InlineData("CPUID 0000000D: 000002E7-00000980-00000988", "four registers")]
    [InlineData("CPUID 0000000D: 000002E7-00000980-00000988-0000", "four registers")]
    [InlineData("CPUID 0000000D: 000002E7-00000980-00000988-00000000 [SL zz]", "sub-leaf")]
    [InlineData("CPUID 0000000D:", "four registers")]
    public void A_cut_or_broken_answer_names_its_offset_what_is_there_and_what_was_expected(string line, string expected)
    {
        MalformedArtifactException error = Assert.Throws<MalformedArtifactException>(() => Read(Leaf0 + line));
        Assert.Equal(InstLatx64Reader.Format, error.Format);
        Assert.Equal(Leaf0.Length, error.Offset);
        Assert.Contains("CPUID 0000000D", error.Found, StringComparison.Ordinal);
        Assert.Contains(expected, error.Expected, StringComparison.Ordinal);
    }

    [Fact]
    public void Processors_and_answers_have_ceilings()
    {
        ArtifactLimits limits = new() { MaxProcessors = 2, MaxCpuidEntries = 1 };
        MalformedArtifactException processors = Assert.Throws<MalformedArtifactException>(
            () => InstLatx64Reader.Read(Encoding.ASCII.GetBytes(Leaf0 + Leaf0 + Leaf0), limits));
        Assert.Equal(2 * Leaf0.Length, processors.Offset);
        MalformedArtifactException answers = Assert.Throws<MalformedArtifactException>(
            () => InstLatx64Reader.Read(Encoding.ASCII.GetBytes(Leaf0 + Leaf0.Replace("CPUID 00000000", "CPUID 00000001",
                StringComparison.Ordinal)), limits));
        Assert.Equal("at most 1 for one processor", answers.Expected);
    }

    private static CpuidDump Read(string text)
    {
        string whole = text.StartsWith("CPUID 00000000", StringComparison.Ordinal) ? text : Leaf0 + text;
        return InstLatx64Reader.Read(Encoding.ASCII.GetBytes(whole), ArtifactLimits.Default);
    }
}
