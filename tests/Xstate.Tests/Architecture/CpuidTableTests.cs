using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class CpuidTableTests
{
    private static readonly CpuidRegisters One = new(1, 1, 1, 1);
    private static readonly CpuidRegisters Two = new(2, 2, 2, 2);

    [Fact]
    public void The_first_entry_that_answers_wins()
    {
        CpuidTable table = new([new CpuidEntry(7, 0, true, One), new CpuidEntry(7, 0, true, Two), new CpuidEntry(7, 5, false, Two)]);
        Assert.Equal(One, table.Read(7, 0));
        Assert.Equal(Two, table.Read(7, 1));
        Assert.Equal(Two, table.Read(7, 0xFFFF_FFFF));
    }

    [Fact]
    public void What_is_not_recorded_reads_as_zero_and_says_so()
    {
        Assert.False(CpuidTable.Empty.TryRead(7, 0, out CpuidRegisters none));
        Assert.True(none.IsZero);
        Assert.Equal("", CpuidTable.Empty.Vendor);
        Assert.True(CpuidTable.Empty.UserComponents.IsEmpty);
        Assert.Empty(new CpuidTable(default).Entries);
    }

    [Fact]
    public void With_replaces_the_answer_in_place_or_adds_it_at_the_end()
    {
        CpuidTable table = new([new CpuidEntry(1, 0, false, One), new CpuidEntry(7, 0, true, One)]);
        Assert.Equal([new CpuidEntry(1, 0, false, Two), new CpuidEntry(7, 0, true, One)], table.With(1, 0, Two).Entries);
        Assert.Equal(new CpuidEntry(7, 1, true, Two), table.With(7, 1, Two).Entries[^1]);
        Assert.Equal(One, table.Read(1));
    }

    [Fact]
    public void Masks_are_read_from_both_halves()
    {
        CpuidTable table = CpuidTable.Empty.With(0xD, 0, new CpuidRegisters(7, 0x11, 0x22, 0x4000_0000))
            .With(0xD, 1, new CpuidRegisters(0xF, 0x33, 0x1800, 1));
        Assert.Equal(0x4000_0000_0000_0007UL, table.UserComponents.Bits);
        Assert.Equal(0x1_0000_1800UL, table.SupervisorComponents.Bits);
    }

    [Fact]
    public void Registers_are_reached_by_name()
    {
        CpuidRegisters registers = new(1, 2, 3, 4);
        foreach (CpuidRegister register in Enum.GetValues<CpuidRegister>())
        {
            Assert.Equal((uint)register + 1, registers[register]);
            Assert.Equal(9u, registers.With(register, 9)[register]);
        }
    }

    [Theory]
    [InlineData("intel-skylake-sp", ProcessorVendor.Intel, 6, 0x55, 4)]
    [InlineData("intel-alderlake", ProcessorVendor.Intel, 6, 0x97, 2)]
    [InlineData("intel-haswell", ProcessorVendor.Intel, 6, 0x3F, 2)]
    [InlineData("amd-rome", ProcessorVendor.Amd, 0x17, 0x31, 0)]
    [InlineData("amd-milan", ProcessorVendor.Amd, 0x19, 1, 1)]
    [InlineData("amd-genoa", ProcessorVendor.Amd, 0x19, 0x11, 1)]
    [InlineData("amd-turin", ProcessorVendor.Amd, 0x1A, 2, 1)]
    [InlineData("qemu-tcg-max", ProcessorVendor.Amd, 6, 6, 3)]
    public void Leaf_1_tells_family_model_and_stepping(string host, ProcessorVendor vendor, int family, int model, int stepping)
    {
        Assert.Equal(new ProcessorModel(vendor, family, model, stepping), ProcessorModel.From(SampleHosts.Cpuid(host)));
    }

    [Fact]
    public void Leaves_that_are_numbered_in_order_are_leaves_with_sub_leaves_and_0xD_is_not_one()
    {
        Assert.All(
            Enumerable.Range(0, 0x100).SelectMany(leaf => (uint[])[(uint)leaf, 0x8000_0000 | (uint)leaf]),
            leaf => Assert.True(!CpuidLeaves.SubleavesAreContiguous(leaf) || CpuidLeaves.HasSubleaves(leaf)));
        Assert.True(CpuidLeaves.HasSubleaves(0xD) && !CpuidLeaves.SubleavesAreContiguous(0xD));
        Assert.False(CpuidLeaves.HasSubleaves(1));
    }
}
