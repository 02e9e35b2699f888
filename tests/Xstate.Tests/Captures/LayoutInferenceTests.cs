using Xstate.Architecture;
using Xstate.Captures;

namespace Xstate.Tests.Captures;

public class LayoutInferenceTests
{
    [Theory]
    [InlineData(0xe7, 2432, "AMD Zen 3 and later")]
    [InlineData(0x2e7, 2440, "AMD Zen 3 and later")]
    [InlineData(0xe7, 2688, "Intel")]
    [InlineData(0x2e7, 2696, "Intel")]
    [InlineData(0x207, 2440, "AMD Zen 3 and later")]
    [InlineData(0x207, 2696, "Intel")]
    [InlineData(0x207, 896, "AMD Zen 2")]
    [InlineData(0x21f, 2696, "Intel")]
    [InlineData(0x7, 832, "Intel")]
    [InlineData(0x602e7, 11008, "Intel")]
    [InlineData(0x802e7, 2696, "Intel with APX")]
    public void Mask_and_length_tell_the_family(ulong mask, int length, string family)
    {
        LayoutFamily only = Assert.Single(LayoutInference.Candidates(new StateComponentSet(mask), length, 0));
        Assert.Equal(family, only.Family);
    }

    [Fact]
    public void Without_a_length_several_families_remain_and_MXCSR_MASK_decides()
    {
        Assert.Equal(2, LayoutInference.Candidates(new StateComponentSet(0xe7), null, 0).Length);
        Assert.Equal("AMD Zen 3 and later",
            Assert.Single(LayoutInference.Candidates(new StateComponentSet(0xe7), null, Mxcsr.AmdMask)).Family);
        Assert.Equal("Intel", Assert.Single(LayoutInference.Candidates(new StateComponentSet(0xe7), null, Mxcsr.IntelMask)).Family);
    }

    [Fact]
    public void No_family_is_made_up_for_components_that_none_places() =>
        Assert.Empty(LayoutInference.Candidates(new StateComponentSet(1UL << 40), null, 0));
}
