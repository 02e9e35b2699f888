using Xstate.Architecture;

namespace Xstate.Linux.Tests;

public class HostCpuidTests
{
    [Fact]
    public void The_vendor_is_the_one_that_Linux_names()
    {
        string? line = File.ReadLines("/proc/cpuinfo").FirstOrDefault(l => l.StartsWith("vendor_id", StringComparison.Ordinal));
        Assert.SkipUnless(line is not null, "/proc/cpuinfo names no vendor");
        Assert.Equal(line.Split(':')[1].Trim(), HostCpuid.Read().Vendor);
    }

    [Fact]
    public void Every_announced_component_has_its_sub_leaf()
    {
        CpuidTable cpuid = HostCpuid.Read();
        Assert.SkipWhen(cpuid.UserComponents.IsEmpty, "this processor has no XSAVE");
        Assert.True(XsaveLayout.FromCpuid(cpuid).MissingComponents.IsEmpty);
    }

    [Fact]
    public void Hypervisor_leaves_are_read_only_where_leaf_1_announces_a_hypervisor()
    {
        CpuidRegisters With(bool hypervisor, uint leaf) => leaf switch
        {
            0 => new CpuidRegisters(1, 0, 0, 0),
            1 => new CpuidRegisters(0, 0, hypervisor ? 1u << 31 : 0, 0),
            0x4000_0000 => new CpuidRegisters(0x4000_0001, 0, 0, 0),
            0x8000_0000 => new CpuidRegisters(0x8000_0000, 0, 0, 0),
            _ => default,
        };
        Assert.Equal([0u, 1u, 0x8000_0000u], HostCpuid.Read((leaf, _) => With(false, leaf)).Entries.Select(e => e.Leaf));
        Assert.Equal([0u, 1u, 0x4000_0000u, 0x4000_0001u, 0x8000_0000u],
            HostCpuid.Read((leaf, _) => With(true, leaf)).Entries.Select(e => e.Leaf));
    }

    [Fact]
    public void Sub_leaves_end_where_the_leaf_says_and_endless_answers_are_cut()
    {
        CpuidRegisters Cpuid(uint leaf, uint subleaf) => (leaf, subleaf) switch
        {
            (0, _) => new CpuidRegisters(uint.MaxValue, 0, 0, 0),
            (4, < 3) => new CpuidRegisters(1, 0, 0, 0),
            (4, _) => default,
            (7, _) => new CpuidRegisters(2, 0, 0, 0),
            (0xB, _) => new CpuidRegisters(1, 1, 0x100, 0),
            _ => default,
        };
        CpuidTable table = HostCpuid.Read(Cpuid);
        Assert.Equal([0u, 1, 2, 3], table.Entries.Where(e => e.Leaf == 4).Select(e => e.Subleaf));
        Assert.Equal([0u, 1, 2], table.Entries.Where(e => e.Leaf == 7).Select(e => e.Subleaf));
        Assert.Equal(64, table.Entries.Count(e => e.Leaf == 0xB));
        Assert.Equal(256, table.Entries.Where(e => e.Leaf < 0x4000_0000).Select(e => e.Leaf).Distinct().Count());
    }
}
