using System.Buffers.Binary;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Transforms;

namespace Xstate.Tests.Transforms;

public class CaptureTransformsTests
{
    private static readonly XsaveLayout Intel = LayoutFamily.All[0].Layout;
    private static readonly XsaveLayout Amd = LayoutFamily.All[2].Layout;

    [Fact]
    public void A_state_that_is_already_there_is_the_same_object()
    {
        CapturedState state = State(Intel, 0xE7);
        Assert.Same(state, CaptureTransforms.ToStandard(state).Value);
        Assert.Same(state, CaptureTransforms.ToStandard(state, Intel).Value);
    }

    [Fact]
    public void Lost_bytes_move_with_their_component()
    {
        // ZMM_Hi256 of the first register and what lies before it: 16 bytes of opmask on Intel, 32 bytes of zmm_hi256.
        CapturedState state = State(Intel, 0xE7) with { Lost = [new AreaRange(24, 4), new AreaRange(1088 + 48, 16 + 32)] };
        Assert.Equal([new AreaRange(24, 4), new AreaRange(832 + 48, 16), new AreaRange(896, 32)],
            CaptureTransforms.ToStandard(state, Amd).Value.Lost);
    }

    [Fact]
    public void What_has_no_place_is_an_obstacle_only_while_it_is_in_use()
    {
        XsaveLayout avx = Amd.Restrict(new StateComponentSet(7));
        Assert.Equal("XS0705", Assert.Single(CaptureTransforms.ToStandard(State(Intel, 0xE7), avx).Obstacles).Rule.Id);
        Assert.Empty(CaptureTransforms.ToStandard(State(Intel, 7), avx).Obstacles);
    }

    private static CapturedState State(XsaveLayout layout, ulong xstateBv)
    {
        byte[] area = new byte[layout.StandardLengthFor(new StateComponentSet(0xE7))];
        BinaryPrimitives.WriteUInt64LittleEndian(area.AsSpan(XsaveFormat.XstateBvOffset), xstateBv);
        return new CapturedState
        {
            Id = 0,
            Area = area,
            Layout = new Fact<XsaveLayout>(layout, FactSource.Given, "test"),
            Xcr0 = new Fact<StateComponentSet>(new StateComponentSet(0xE7), FactSource.Given, "test")
        };
    }
}
