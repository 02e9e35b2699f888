using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class XsaveAreaTests
{
    [Fact]
    public void Fields_lie_where_the_manual_puts_them()
    {
        byte[] bytes = new byte[832];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes, 0x37F);
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2), 0x3800);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(24), 0x1F80);
        BinaryPrimitives.WriteUInt32LittleEndian(bytes.AsSpan(28), 0x2FFFF);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(464), 0x2E7);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(512), 0x207);
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(520), 0x8000_0000_0000_0207);
        bytes[528] = 1;
        bytes[575] = 2;
        XsaveArea area = new(bytes);
        Assert.Equal((0x37F, 0x3800, 0x1F80u, 0x2FFFFu), (area.Fcw, area.Fsw, area.Mxcsr, area.MxcsrMask));
        Assert.Equal((0x2E7UL, 0x207UL, 0x8000_0000_0000_0207UL, true),
            (area.SoftwareMask, area.XstateBv.Bits, area.XcompBv, area.IsCompacted));
        Assert.Equal((48, 1, 2), (area.ReservedHeader.Length, area.ReservedHeader[0], area.ReservedHeader[^1]));
        Assert.Equal(832, area.Bytes.Length);
    }

    [Fact]
    public void An_area_has_at_least_its_legacy_region_and_header()
    {
        Assert.Throws<ArgumentOutOfRangeException>(() => new XsaveArea(new byte[575]).Fcw);
        Assert.Equal(0, new XsaveArea(new byte[576]).Fcw);
    }

    [Fact]
    public void A_component_is_found_by_the_writers_layout_in_either_format()
    {
        byte[] bytes = new byte[4096];
        bytes[832] = 0xA;
        bytes[1088] = 0xB;
        XsaveArea area = new(bytes);
        Assert.True(area.TryGetComponent(StateComponent.Opmask, SampleHosts.Layout("amd-genoa"), out ReadOnlySpan<byte> amd));
        Assert.True(area.TryGetComponent(StateComponent.Opmask, SampleHosts.Layout("intel-icelake"), out ReadOnlySpan<byte> intel));
        Assert.Equal((0xA, 0xB, 64), (amd[0], intel[0], intel.Length));

        bytes[576] = 0xC;
        BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(520),
            XsaveFormat.CompactedFlag | StateComponentSet.Of(StateComponent.Opmask).Bits);
        Assert.True(new XsaveArea(bytes).TryGetComponent(StateComponent.Opmask, SampleHosts.Layout("intel-icelake"),
            out ReadOnlySpan<byte> compacted));
        Assert.Equal(0xC, compacted[0]);
        Assert.False(new XsaveArea(bytes).TryGetComponent(StateComponent.Pkru, SampleHosts.Layout("intel-icelake"), out _));
    }

    [Fact]
    public void A_component_beyond_the_end_is_not_there()
    {
        Assert.False(new XsaveArea(new byte[2432]).TryGetComponent(StateComponent.Pkru, SampleHosts.Layout("amd-genoa"),
            out ReadOnlySpan<byte> bytes));
        Assert.True(bytes.IsEmpty);
    }

    [Fact]
    public void The_mask_that_an_image_states_as_zero_is_the_oldest_one()
    {
        Assert.Equal((0xFFBFu, 0x2FFFFu), (Mxcsr.MaskFromImage(0), Mxcsr.MaskFromImage(0x2FFFF)));
        Assert.Equal(Mxcsr.AmdMask, ProcessorIdentity.From(SampleHosts.Cpuid("amd-milan")).MxcsrMask);
        Assert.Equal(Mxcsr.IntelMask, ProcessorIdentity.From(SampleHosts.Cpuid("intel-haswell")).MxcsrMask);
    }
}
