using Xstate.Processor;
using Xstate.WorldSwitch;

namespace Xstate.Tests.WorldSwitch;

public class SwitchInstructionsTests
{
    [Fact]
    public void Without_cr4_pke_neither_rdpkru_nor_wrpkru_completes()
    {
        PkruValue pkru = PkruValue.HostThread;
        bool inUse = true;

        Assert.False(SwitchInstructions.Intel.Rdpkru(cr4Pke: false, pkru, inUse, out _));
        Assert.False(SwitchInstructions.Intel.Wrpkru(cr4Pke: false, PkruValue.Guest, ref pkru, ref inUse));
        Assert.Equal((PkruValue.HostThread, true), (pkru, inUse));
    }

    [Fact]
    public void Xsave_and_xrstor_reach_pkru_with_xcr0_bit_9_whatever_cr4_pke_is()
    {
        PkruValue pkru = PkruValue.HostThread;
        bool inUse = true;

        Assert.True(SwitchInstructions.Intel.Xsave(cr4Osxsave: true, Xcr0Value.Host, PkruValue.Guest, inUse: true, out bool bit,
            out PkruValue stored));
        Assert.Equal((true, PkruValue.Guest), (bit, stored));
        Assert.True(SwitchInstructions.Intel.Xrstor(cr4Osxsave: true, Xcr0Value.Host, xstateBv9: true, PkruValue.Guest, ref pkru,
            ref inUse));
        Assert.Equal((PkruValue.Guest, true), (pkru, inUse));
        Assert.True(SwitchInstructions.Intel.Xrstor(cr4Osxsave: true, Xcr0Value.Host, xstateBv9: false, PkruValue.Guest, ref pkru,
            ref inUse));
        Assert.Equal((PkruValue.Initial, false), (pkru, inUse));
    }

    [Theory]
    [InlineData(false, Xcr0Value.Host)]
    [InlineData(true, Xcr0Value.WithoutPkru)]
    public void Without_osxsave_or_xcr0_bit_9_pkru_is_out_of_reach(bool osxsave, Enum xcr0Value)
    {
        Xcr0Value xcr0 = (Xcr0Value)xcr0Value;
        PkruValue pkru = PkruValue.HostThread;
        bool inUse = true;

        Assert.False(SwitchInstructions.Amd.Xsave(osxsave, xcr0, pkru, inUse, out _, out _));
        Assert.False(SwitchInstructions.Amd.Xrstor(osxsave, xcr0, xstateBv9: true, PkruValue.Guest, ref pkru, ref inUse));
        Assert.False(SwitchInstructions.Amd.Xrstor(osxsave, xcr0, xstateBv9: false, PkruValue.Guest, ref pkru, ref inUse));
        Assert.Equal((PkruValue.HostThread, true), (pkru, inUse));
    }

    [Fact]
    public void Wrpkru_of_0_leaves_xinuse_1_on_intel_and_0_on_amd()
    {
        Assert.True(InUseAfterWrpkruOf0(SwitchInstructions.Intel));
        Assert.False(InUseAfterWrpkruOf0(SwitchInstructions.Amd));
    }

    [Fact]
    public void The_answers_are_the_processor_rooms()
    {
        // One quirk more in the profile, and the protocol's instructions answer differently.
        SwitchInstructions odd = new(ProcessorProfiles.IntelSapphireRapids.With(ProcessorQuirks.PkruXinuseByValue));
        Assert.False(InUseAfterWrpkruOf0(odd));
    }

    [Fact]
    public void Xsetbv_needs_osxsave()
    {
        foreach (Xcr0Value value in Enum.GetValues<Xcr0Value>())
        {
            Assert.True(SwitchInstructions.Intel.Xsetbv(cr4Osxsave: true, value));
            Assert.True(SwitchInstructions.Amd.Xsetbv(cr4Osxsave: true, value));
            Assert.False(SwitchInstructions.Intel.Xsetbv(cr4Osxsave: false, value));
        }
    }

    [Fact]
    public void Every_value_of_xss_is_one_that_the_processors_accept()
    {
        Assert.All(Enum.GetValues<XssValue>(), value => Assert.True(SwitchInstructions.Intel.WrmsrXss(value)
            && SwitchInstructions.Amd.WrmsrXss(value)));
        Assert.False(new SwitchInstructions(ProcessorProfiles.IntelSkylakeServer).WrmsrXss(XssValue.Cet));
    }

    [Fact]
    public void A_tile_traps_only_where_tiles_exist_are_enabled_and_xfd_is_armed()
    {
        Assert.True(SwitchInstructions.Intel.TileUseTrapsByXfd(cr4Osxsave: true, Xcr0Value.Host, xfdArmed: true));
        Assert.False(SwitchInstructions.Intel.TileUseTrapsByXfd(cr4Osxsave: true, Xcr0Value.Host, xfdArmed: false));
        Assert.False(SwitchInstructions.Intel.TileUseTrapsByXfd(cr4Osxsave: true, Xcr0Value.WithoutPkru, xfdArmed: true));
        Assert.False(SwitchInstructions.Intel.TileUseTrapsByXfd(cr4Osxsave: false, Xcr0Value.Host, xfdArmed: true));
        Assert.False(SwitchInstructions.Amd.TileUseTrapsByXfd(cr4Osxsave: true, Xcr0Value.Host, xfdArmed: true));
    }

    private static bool InUseAfterWrpkruOf0(SwitchInstructions instructions)
    {
        PkruValue pkru = PkruValue.Guest;
        bool inUse = false;
        Assert.True(instructions.Wrpkru(cr4Pke: true, PkruValue.Initial, ref pkru, ref inUse));
        Assert.Equal(PkruValue.Initial, pkru);
        return inUse;
    }
}
