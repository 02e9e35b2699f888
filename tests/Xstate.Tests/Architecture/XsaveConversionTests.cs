using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class XsaveConversionTests
{
    private static readonly string[] Hosts = ["intel-skylake-sp", "intel-icelake", "intel-sapphire-rapids", "amd-genoa", "amd-milan",
        "amd-turin", "intel-haswell"];

    [Fact]
    public void Expanding_what_was_compacted_gives_the_same_registers()
    {
        SplitMix64 random = new(0xE0);
        int compared = 0;
        for (int i = 0; i < 2000; i++)
        {
            XsaveLayout layout = LayoutOf(random.Pick<string>(Hosts));
            (byte[] area, StateComponentSet components) = RandomArea(ref random, layout);
            byte[] compacted = new byte[layout.CompactedLengthFor(components)];
            Assert.True(XsaveConversion.ToCompacted(area, layout, compacted, layout, components).IsEmpty);
            byte[] back = new byte[layout.StandardLength];
            Assert.True(XsaveConversion.ToStandard(compacted, layout, back, layout).IsEmpty);
            Assert.Equal(RegisterDump.Read(area, layout, components), RegisterDump.Read(compacted, layout, components));
            Assert.Equal(RegisterDump.Read(area, layout, components), RegisterDump.Read(back, layout, components));
            Assert.Equal(0UL, new XsaveArea(back).XcompBv);
            compared++;
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} areas compacted and expanded");
    }

    [Fact]
    public void Relocating_there_and_back_gives_the_same_bytes_for_components_in_use()
    {
        SplitMix64 random = new(0xE1);
        for (int i = 0; i < 2000; i++)
        {
            XsaveLayout from = LayoutOf(random.Pick<string>(Hosts));
            XsaveLayout to = LayoutOf(random.Pick<string>(Hosts));
            (byte[] area, StateComponentSet components) = RandomArea(ref random, from);
            StateComponentSet common = components & to.UserComponents;
            new XsaveAreaWriter(area).Drop(components.Except(common), from);
            byte[] there = new byte[to.StandardLength];
            Assert.True(XsaveConversion.ToStandard(area, from, there, to).IsEmpty);
            byte[] back = new byte[from.StandardLength];
            Assert.True(XsaveConversion.ToStandard(there, to, back, from).IsEmpty);
            Assert.Equal(RegisterDump.Read(area, from, common), RegisterDump.Read(there, to, common));
            Assert.Equal(RegisterDump.Read(area, from, common), RegisterDump.Read(back, from, common));
        }
    }

    [Fact]
    public void What_the_destination_lacks_is_named()
    {
        XsaveLayout intel = LayoutOf("intel-skylake-sp");
        byte[] area = new byte[intel.StandardLength];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), 0x2e7);
        byte[] destination = new byte[intel.StandardLength];
        Assert.Equal(0x2e0UL, XsaveConversion.ToStandard(area, intel, destination, LayoutOf("intel-haswell")).Bits);
        Assert.Equal(7UL, new XsaveArea(destination).XstateBv.Bits);
    }

    [Fact]
    public void MXCSR_survives_compaction_without_SSE_in_use()
    {
        XsaveLayout layout = LayoutOf("intel-haswell");
        byte[] area = new byte[layout.StandardLength];
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), 0x3f80);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), 4);
        byte[] compacted = new byte[layout.CompactedLengthFor(new StateComponentSet(7))];
        XsaveConversion.ToCompacted(area, layout, compacted, layout, new StateComponentSet(7));
        Assert.Equal(6UL, new XsaveArea(compacted).XstateBv.Bits);
        Assert.Equal(0x3f80u, new XsaveArea(compacted).EffectiveMxcsr);
    }

    [Fact]
    public void A_compacted_area_without_SSE_expands_to_the_initial_MXCSR()
    {
        XsaveLayout layout = LayoutOf("intel-haswell");
        byte[] compacted = new byte[layout.CompactedLengthFor(new StateComponentSet(7))];
        BinaryPrimitives.WriteUInt32LittleEndian(compacted.AsSpan(24), 0x3f80);
        BinaryPrimitives.WriteUInt64LittleEndian(compacted.AsSpan(520), XsaveFormat.CompactedFlag | 7);
        byte[] standard = new byte[layout.StandardLength];
        XsaveConversion.ToStandard(compacted, layout, standard, layout);
        Assert.Equal(Mxcsr.Initial, new XsaveArea(standard).Mxcsr);
    }

    [Fact]
    public void A_destination_that_is_too_short_is_the_callers_mistake()
    {
        XsaveLayout layout = LayoutOf("amd-genoa");
        byte[] area = new byte[layout.StandardLength];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), 0x2e7);
        Assert.Throws<ArgumentException>(() => XsaveConversion.ToStandard(area, layout, new byte[2439], layout));
    }

    [Fact]
    public void The_hot_paths_allocate_nothing()
    {
        XsaveLayout intel = LayoutOf("intel-icelake");
        XsaveLayout amd = LayoutOf("amd-genoa");
        SplitMix64 random = new(1);
        (byte[] area, StateComponentSet components) = RandomArea(ref random, intel);
        byte[] destination = new byte[8192];
        Run();
        long before = GC.GetAllocatedBytesForCurrentThread();
        Run();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Run()
        {
            XsaveConversion.ToStandard(area, intel, destination, amd);
            XsaveConversion.ToCompacted(area, intel, destination, intel, components);
            new XsaveAreaWriter(destination).Drop(StateComponentSet.Of(StateComponent.Avx), intel);
        }
    }

    private static XsaveLayout LayoutOf(string host) => XsaveLayout.FromCpuid(SampleHosts.Open(host).Cpuid);

    private static (byte[] Area, StateComponentSet Components) RandomArea(ref SplitMix64 random, XsaveLayout layout)
    {
        byte[] area = new byte[layout.StandardLength];
        random.Fill(area.AsSpan(0, 416));
        StateComponentSet components = layout.UserComponents;
        StateComponentSet live = new(random.Next() & components.Bits);
        BinaryPrimitives.WriteUInt32LittleEndian(area.AsSpan(24), (uint)random.Next() & Mxcsr.IntelMask);
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(512), live.Bits);
        foreach (StateComponent component in live.Except(StateComponentSet.Legacy))
        {
            layout.TryGetSlot(component, out XsaveSlot slot);
            random.Fill(area.AsSpan(slot.Offset, slot.Size));
        }

        return (area, components);
    }
}
