using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class XsaveLayoutTests(ITestOutputHelper output)
{
    [Theory]
    [InlineData("intel-skylake-sp", StateComponent.Opmask, 1088)]
    [InlineData("intel-skylake-sp", StateComponent.BndRegs, 960)]
    [InlineData("intel-skylake-sp", StateComponent.Pkru, 2688)]
    [InlineData("intel-sapphire-rapids", StateComponent.TileData, 2816)]
    [InlineData("intel-alderlake", StateComponent.Pkru, 2688)]
    [InlineData("amd-rome", StateComponent.Pkru, 832)]
    [InlineData("amd-milan", StateComponent.Pkru, 2432)]
    [InlineData("amd-genoa", StateComponent.Opmask, 832)]
    [InlineData("amd-genoa", StateComponent.Hi16Zmm, 1408)]
    [InlineData("amd-genoa", StateComponent.Pkru, 2432)]
    public void The_same_component_lies_elsewhere_on_another_processor(string host, StateComponent component, int offset)
    {
        Assert.True(SampleHosts.Layout(host).TryGetSlot(component, out XsaveSlot slot));
        Assert.Equal(offset, slot.Offset);
    }

    [Fact]
    public void Rome_lists_64_bytes_for_PKRU_and_all_others_8()
    {
        Assert.True(SampleHosts.Layout("amd-rome").TryGetSlot(StateComponent.Pkru, out XsaveSlot rome));
        Assert.True(SampleHosts.Layout("amd-milan").TryGetSlot(StateComponent.Pkru, out XsaveSlot milan));
        Assert.Equal((64, 8), (rome.Size, milan.Size));
    }

    [Theory]
    [InlineData("intel-sapphire-rapids", 0x602E7, 11008)]
    [InlineData("intel-sapphire-rapids", 0x2E7, 2696)]
    [InlineData("intel-sapphire-rapids", 0x7, 832)]
    [InlineData("intel-sapphire-rapids", 0x3, 576)]
    [InlineData("amd-zen4-pvm", 0xE7, 2432)]
    [InlineData("amd-genoa", 0x2E7, 2440)]
    public void A_standard_area_ends_where_its_last_component_ends(string host, ulong set, int length)
    {
        Assert.Equal(length, SampleHosts.Layout(host).StandardLengthFor(new StateComponentSet(set)));
    }

    // xsave-architecture: 11520 and 2472 are CPUID.D.1.EBX of real machines with these sets enabled.
    [Theory]
    [InlineData("intel-sapphire-rapids", 0x686E7, 11520)]
    [InlineData("amd-zen4-pvm", 0x18E7, 2472)]
    [InlineData("intel-sapphire-rapids", 0x8000_0000_0006_86E7, 11520)]
    [InlineData("intel-alderlake", 0x207, 840)]
    [InlineData("intel-alderlake", 0x3, 576)]
    public void A_compacted_area_packs_the_components_of_XCOMP_BV_in_order(string host, ulong xcompBv, int length)
    {
        Assert.Equal(length, SampleHosts.Layout(host).CompactedLengthFor(new StateComponentSet(xcompBv)));
    }

    [Fact]
    public void An_aligned_component_starts_on_the_next_64_byte_boundary()
    {
        XsaveLayout layout = SampleHosts.Layout("intel-sapphire-rapids");
        StateComponentSet set = StateComponentSet.Of(StateComponent.Pkru, StateComponent.TileCfg, StateComponent.TileData);
        Assert.Equal(576, layout.CompactedOffset(StateComponent.Pkru, set));
        Assert.Equal(640, layout.CompactedOffset(StateComponent.TileCfg, set));
        Assert.Equal(704, layout.CompactedOffset(StateComponent.TileData, set));
    }

    [Fact]
    public void Apx_lies_at_960_in_the_standard_format_and_last_in_the_compacted_one()
    {
        CpuidTable cpuid = SampleHosts.Cpuid("intel-sapphire-rapids");
        CpuidRegisters mask = cpuid.Read(CpuidTable.XsaveLeaf, 0);
        cpuid = cpuid.With(CpuidTable.XsaveLeaf, 0, mask with { Eax = mask.Eax | 1u << 19 })
            .With(CpuidTable.XsaveLeaf, 19, new CpuidRegisters(128, 960, 0, 0));
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        Assert.True(layout.TryLocate(StateComponent.Apx, 0, layout.StandardLength, out int standard, out int size));
        Assert.Equal((960, 128, 11008), (standard, size, layout.StandardLength));

        StateComponentSet set = StateComponentSet.Of(StateComponent.Avx, StateComponent.Pkru, StateComponent.Apx);
        Assert.Equal(840, layout.CompactedOffset(StateComponent.Apx, set));
        Assert.Equal(968, layout.CompactedLengthFor(set));
        Assert.Equal(1088, layout.StandardLengthFor(StateComponentSet.Of(StateComponent.Avx, StateComponent.Apx)));
    }

    [Fact]
    public void A_component_that_leaf_0xD_announces_without_a_place_is_missing_and_never_guessed()
    {
        CpuidTable cpuid = SampleHosts.Cpuid("intel-skylake-sp").With(CpuidTable.XsaveLeaf, 9, default);
        XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
        Assert.Equal(StateComponentSet.Of(StateComponent.Pkru), layout.MissingComponents);
        Assert.False(layout.UserComponents.Contains(StateComponent.Pkru));
        Assert.False(layout.TryLocate(StateComponent.Pkru, 0, 4096, out _, out _));
        Assert.Equal(2688, layout.StandardLength);
    }

    [Theory]
    [InlineData(0u, 600u)]
    [InlineData(8u, 575u)]
    [InlineData(0xFFFF_FFFFu, 576u)]
    [InlineData(8u, 0xFFFF_FFFFu)]
    [InlineData(0x10_0001u, 576u)]
    public void A_place_that_no_area_can_have_counts_as_missing(uint size, uint offset)
    {
        CpuidTable cpuid = SampleHosts.Cpuid("intel-skylake-sp").With(CpuidTable.XsaveLeaf, 9, new CpuidRegisters(size, offset, 0, 0));
        Assert.Equal(StateComponentSet.Of(StateComponent.Pkru), XsaveLayout.FromCpuid(cpuid).MissingComponents);
    }

    [Fact]
    public void Supervisor_components_have_a_place_in_the_compacted_format_only()
    {
        XsaveLayout layout = SampleHosts.Layout("amd-genoa");
        Assert.Equal(StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS), layout.SupervisorComponents);
        Assert.False(layout.TryLocate(StateComponent.CetU, 0, 1 << 16, out _, out _));
        ulong xcompBv = XsaveFormat.CompactedFlag | StateComponentSet.Of(StateComponent.CetU, StateComponent.CetS).Bits;
        Assert.True(layout.TryLocate(StateComponent.CetS, xcompBv, 1 << 16, out int offset, out int size));
        Assert.Equal((592, 24), (offset, size));
    }

    [Fact]
    public void A_component_is_located_only_inside_the_area_and_inside_XCOMP_BV()
    {
        XsaveLayout layout = SampleHosts.Layout("amd-genoa");
        Assert.True(layout.TryLocate(StateComponent.Pkru, 0, 2440, out _, out _));
        Assert.False(layout.TryLocate(StateComponent.Pkru, 0, 2439, out _, out _));
        Assert.False(layout.TryLocate(StateComponent.Pkru, XsaveFormat.CompactedFlag | 7, 2440, out _, out _));
        Assert.False(layout.TryLocate(StateComponent.Sse, 0, 2440, out _, out _));
    }

    [Fact]
    public void Slots_make_the_layout_they_came_from()
    {
        foreach (string host in SampleHosts.Names)
        {
            XsaveLayout layout = SampleHosts.Layout(host);
            XsaveLayout again = XsaveLayout.FromSlots(layout.Slots);
            Assert.Equal(layout, again);
            Assert.Equal(layout.GetHashCode(), again.GetHashCode());
            Assert.Equal((layout.UserComponents, layout.SupervisorComponents), (again.UserComponents, again.SupervisorComponents));
        }

        Assert.NotEqual(SampleHosts.Layout("amd-genoa"), SampleHosts.Layout("intel-icelake"));
        Assert.NotEqual(SampleHosts.Layout("amd-genoa"), SampleHosts.Layout("amd-genoa").Restrict(new StateComponentSet(7)));
    }

    [Theory]
    [InlineData(StateComponent.Sse, 600, 8)]
    [InlineData(StateComponent.Pkru, 575, 8)]
    [InlineData(StateComponent.Pkru, 600, 0)]
    [InlineData(StateComponent.Pkru, 600, XsaveLayout.MaxAreaLength + 1)]
    [InlineData(StateComponent.Pkru, XsaveLayout.MaxAreaLength + 1, 8)]
    public void Slots_that_no_processor_enumerates_are_the_callers_mistake(StateComponent component, int offset, int size)
    {
        Assert.Throws<ArgumentException>(() => XsaveLayout.FromSlots([new XsaveSlot(component, size, offset, false, false, false)]));
    }

    [Fact]
    public void Every_place_agrees_with_the_manual_walked_step_by_step()
    {
        SplitMix64 random = new(0xC0FFEE);
        int compared = 0;
        for (int round = 0; round < 2_000; round++)
        {
            CpuidTable cpuid = RandomCpuid(ref random);
            XsaveLayout layout = XsaveLayout.FromCpuid(cpuid);
            ulong xcompBv = random.Next() & (cpuid.UserComponents | cpuid.SupervisorComponents).Bits;
            int position = 576;
            for (int i = 2; i <= 62; i++)
            {
                if ((xcompBv >> i & 1) == 0)
                {
                    continue;
                }

                CpuidRegisters leaf = cpuid.Read(CpuidTable.XsaveLeaf, (uint)i);
                if ((leaf.Ecx & 2) != 0 && position % 64 != 0)
                {
                    position += 64 - (position % 64);
                }

                Assert.True(layout.TryLocate((StateComponent)i, xcompBv | 1UL << 63, int.MaxValue, out int offset, out int size));
                Assert.Equal((position, (int)leaf.Eax), (offset, size));
                position += (int)leaf.Eax;
                compared++;
            }

            Assert.Equal(position, layout.CompactedLengthFor(new StateComponentSet(xcompBv | 1UL << 63)));
            int end = Enumerable.Range(2, 61)
                .Where(i => cpuid.UserComponents.Contains((StateComponent)i))
                .Select(i => cpuid.Read(CpuidTable.XsaveLeaf, (uint)i))
                .Aggregate(576, (longest, leaf) => Math.Max(longest, (int)(leaf.Eax + leaf.Ebx)));
            Assert.Equal(end, layout.StandardLength);
        }

        output.WriteLine($"{compared} places compared");
    }

    private static CpuidTable RandomCpuid(ref SplitMix64 random)
    {
        ulong user = (random.Next() & random.Next() & ~(1UL << 63)) | 3;
        ulong supervisor = random.Next() & random.Next() & ~user & ~(1UL << 63);
        CpuidTable cpuid = CpuidTable.Empty
            .With(CpuidTable.XsaveLeaf, 0, new CpuidRegisters((uint)user, 0, 0, (uint)(user >> 32)))
            .With(CpuidTable.XsaveLeaf, 1, new CpuidRegisters(0xF, 0, (uint)supervisor, (uint)(supervisor >> 32)));
        foreach (StateComponent component in new StateComponentSet((user | supervisor) & ~3UL))
        {
            bool isSupervisor = (supervisor >> (int)component & 1) != 0;
            cpuid = cpuid.With(
                CpuidTable.XsaveLeaf,
                (uint)component,
                new CpuidRegisters((uint)(1 + random.Below(9_000)), isSupervisor ? 0 : (uint)(576 + random.Below(20_000)),
                    (isSupervisor ? 1u : 0) | (uint)random.Below(2) << 1, 0));
        }

        return cpuid;
    }

    [Theory]
    [InlineData("intel-sapphire-rapids")]
    [InlineData("amd-genoa")]
    [InlineData("amd-turin")]
    [InlineData("qemu-tcg-max")]
    public void A_slot_and_its_sub_leaf_are_two_forms_of_one_thing(string name)
    {
        CpuidTable cpuid = SampleHosts.Cpuid(name);
        foreach (XsaveSlot slot in SampleHosts.Layout(name).Slots)
        {
            CpuidRegisters subleaf = cpuid.Read(CpuidTable.XsaveLeaf, (uint)slot.Component);
            Assert.Equal(subleaf, slot.ToCpuid());
            Assert.Equal(slot, XsaveSlot.FromCpuid(slot.Component, subleaf));
        }
    }
}
