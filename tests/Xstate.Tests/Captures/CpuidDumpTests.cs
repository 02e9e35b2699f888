using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Captures;

public class CpuidDumpTests
{
    [Fact]
    public void A_complete_dump_has_no_remark_and_becomes_a_host_without_a_kernel()
    {
        CpuidTable cpuid = SampleHosts.Cpuid("amd-genoa");
        CpuidDump dump = CpuidDump.Create("test", [new CpuidProcessor("CPU 0", cpuid)], []);
        Assert.Empty(dump.Remarks);
        Assert.True(dump.Processors[0].HasCompleteXsaveLeaf);
        HostRecord host = dump.ToHostRecord("genoa", new Provenance(FactSource.Given, "a file"));
        Assert.Equal(("genoa", null, KvmFlavour.Unknown), (host.Name, host.Kernel, host.Flavour));
        Assert.Same(cpuid, host.Cpuid);
    }

    [Fact]
    public void A_component_that_reaches_beyond_the_stated_size_is_remarked()
    {
        CpuidTable cpuid = SampleHosts.Cpuid("amd-genoa").With(CpuidTable.XsaveLeaf, 9, new CpuidRegisters(8, 2433, 0, 0));
        CpuidRemark remark = Assert.Single(Of(cpuid).Remarks);
        Assert.Equal((0xDu, 9u, "pkru ends at byte 2441, beyond the 2440 bytes of leaf 0xd.0 ecx"),
            (remark.Leaf, remark.Subleaf, remark.Message));
    }

    [Fact]
    public void An_announced_component_is_remarked_as_missing_zero_or_impossible()
    {
        CpuidTable genoa = SampleHosts.Cpuid("amd-genoa");
        CpuidTable without = new([.. genoa.Entries.Where(entry => entry is not { Leaf: 0xD, Subleaf: 9 })]);
        Assert.Equal("leaf 0xd.9 (pkru) is not recorded although leaf 0xd announces it", Assert.Single(Of(without).Remarks).Message);
        Assert.Equal("leaf 0xd.9 (pkru) is all zero although leaf 0xd announces it",
            Assert.Single(Of(genoa.With(0xD, 9, default)).Remarks).Message);
        Assert.Equal(
            "leaf 0xd.9 (pkru) is no place for a component (8 bytes at 8) although leaf 0xd announces it",
            Assert.Single(Of(genoa.With(0xD, 9, new CpuidRegisters(8, 8, 0, 0))).Remarks).Message);
        Assert.False(Of(without).Processors[0].HasCompleteXsaveLeaf);
    }

    [Fact]
    public void XSAVE_without_leaf_0xD_and_a_missing_vendor_are_remarked()
    {
        CpuidTable cpuid = CpuidTable.Empty.With(1, 0, new CpuidRegisters(0, 0, 1u << 26, 0));
        Assert.Equal(
            ["leaf 0 is not recorded: the vendor is unknown", "leaf 0xd.0 is not recorded although leaf 1 announces XSAVE"],
            Of(cpuid).Remarks.Select(remark => remark.Message));
        Assert.False(Of(cpuid).Processors[0].HasCompleteXsaveLeaf);
    }

    [Fact]
    public void A_dump_without_a_processor_is_the_callers_mistake()
    {
        Assert.Throws<ArgumentException>(() => CpuidDump.Create("test", [], []));
    }

    private static CpuidDump Of(CpuidTable cpuid) => CpuidDump.Create("test", [new CpuidProcessor("CPU 0", cpuid)], []);
}
