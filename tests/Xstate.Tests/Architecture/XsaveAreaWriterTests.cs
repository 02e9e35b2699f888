using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

public class XsaveAreaWriterTests
{
    private static readonly XsaveLayout Layout = XsaveLayout.FromCpuid(SampleHosts.Open("intel-sapphire-rapids").Cpuid);

    [Fact]
    public void What_is_written_reads_back_at_the_places_of_the_manual()
    {
        byte[] bytes = new byte[XsaveFormat.ExtendedOffset];
        XsaveArea area = new XsaveAreaWriter(bytes).WriteXstateBv(new StateComponentSet(0x2e7)).WriteCompacted(new StateComponentSet(0x1ff))
            .WriteMxcsr(0x3f80).WriteMxcsrMask(Mxcsr.AmdMask).WriteSoftwareMask(new StateComponentSet(0x207)).Area;
        Assert.Equal(0x2e7UL, area.XstateBv.Bits);
        Assert.True(area.IsCompacted);
        Assert.Equal(0x8000_0000_0000_01ffUL, area.XcompBv);
        Assert.Equal((0x3f80u, Mxcsr.AmdMask, 0x207UL), (area.Mxcsr, area.MxcsrMask, area.SoftwareMask));
        Assert.Equal((0xe7, 0x02), (bytes[512], bytes[513]));
        Assert.Equal((0x80, 0x3f), (bytes[24], bytes[25]));
        bytes[530] = 1;
        new XsaveAreaWriter(bytes).ClearReserved();
        Assert.Equal((0, 0x2e7UL), (bytes[530], new XsaveArea(bytes).XstateBv.Bits));
        new XsaveAreaWriter(bytes).ClearHeader();
        Assert.False(bytes.AsSpan(512, 64).ContainsAnyExcept((byte)0));
        Assert.Equal(0x3f80u, new XsaveArea(bytes).Mxcsr);
    }

    [Fact]
    public void An_area_without_a_header_cannot_be_written() =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new XsaveAreaWriter(new byte[575]).WriteXstateBv(StateComponentSet.Empty));

    [Fact]
    public void Dropping_leaves_MXCSR_and_what_belongs_to_no_component()
    {
        byte[] bytes = new byte[Layout.StandardLength];
        bytes.AsSpan().Fill(0xA5);
        XsaveAreaWriter image = new XsaveAreaWriter(bytes).ClearHeader().WriteXstateBv(Layout.UserComponents);
        image.Drop(StateComponentSet.Legacy.With(StateComponent.Pkru), Layout);
        Assert.Equal(Layout.UserComponents.Except(StateComponentSet.Legacy).Without(StateComponent.Pkru), image.Area.XstateBv);
        Assert.Equal((XsaveFormat.InitialFcw, (ushort)0), (image.Area.Fcw, image.Area.Fsw));
        Assert.Equal(0xA5A5_A5A5u, image.Area.Mxcsr);
        Assert.False(bytes.AsSpan(32, 384).ContainsAnyExcept((byte)0));
        Assert.False(bytes.AsSpan(416, 96).ContainsAnyExcept((byte)0xA5));
        Assert.True(image.TryGetComponent(StateComponent.Pkru, Layout, out Span<byte> pkru));
        Assert.False(pkru.ContainsAnyExcept((byte)0));
        Assert.True(image.TryGetComponent(StateComponent.Avx, Layout, out Span<byte> avx));
        Assert.False(avx.ContainsAnyExcept((byte)0xA5));
    }

    [Fact]
    public void A_component_made_explicit_starts_initial_and_keeps_the_MXCSR_that_counted()
    {
        byte[] bytes = new byte[Layout.CompactedLengthFor(new StateComponentSet(0x2007))];
        bytes.AsSpan().Fill(0xA5);
        XsaveAreaWriter image = new XsaveAreaWriter(bytes).ClearHeader().WriteCompacted(new StateComponentSet(0x2007));
        image.MakeExplicit(StateComponent.Sse, Layout);
        Assert.Equal(2UL, image.Area.XstateBv.Bits);
        Assert.Equal(Mxcsr.Initial, image.Area.Mxcsr);
        Assert.False(bytes.AsSpan(160, 256).ContainsAnyExcept((byte)0));
        bytes.AsSpan(160, 16).Fill(1);
        image.MakeExplicit(StateComponent.Sse, Layout);
        Assert.Equal(1, bytes[160]);
    }
}
