using Xstate.Architecture;
using Xstate.Tests.Support;

namespace Xstate.Tests.Architecture;

/// <summary>The catalogue is consistent with itself and with what real processors enumerate.</summary>
public class StateComponentsTests
{
    [Fact]
    public void Rows_are_in_order_and_names_are_found_again()
    {
        Assert.Equal(StateComponents.All.Select(info => info.Component).Order(), StateComponents.All.Select(info => info.Component));
        foreach (StateComponentInfo info in StateComponents.All)
        {
            Assert.Same(info, StateComponents.Get(info.Component));
            Assert.True(StateComponents.TryParse(info.Name.ToUpperInvariant(), out StateComponent byName));
            Assert.True(StateComponents.TryParse($"bit{(int)info.Component}", out StateComponent byBit));
            Assert.Equal((info.Component, info.Component), (byName, byBit));
            Assert.Equal(info.Name, StateComponents.NameOf(info.Component));
        }
    }

    [Theory]
    [InlineData("bit63")]
    [InlineData("bit-1")]
    [InlineData("bit")]
    [InlineData("mmx")]
    [InlineData("")]
    public void What_is_no_component_has_no_name(string text)
    {
        Assert.False(StateComponents.TryParse(text, out _));
    }

    [Fact]
    public void A_bit_without_a_name_is_still_a_component()
    {
        Assert.Null(StateComponents.Find((StateComponent)43));
        Assert.Equal("bit43", StateComponents.NameOf((StateComponent)43));
        Assert.Throws<ArgumentOutOfRangeException>(() => StateComponents.Get((StateComponent)43));
    }

    [Fact]
    public void Groups_and_exclusions_hold_in_both_directions_and_requirements_are_user_components()
    {
        foreach (StateComponentInfo info in StateComponents.All)
        {
            foreach (StateComponent other in info.Group)
            {
                Assert.Equal(info.Group, StateComponents.Get(other).Group);
            }

            foreach (StateComponent other in info.Excludes)
            {
                Assert.True(StateComponents.Get(other).Excludes.Contains(info.Component));
            }

            Assert.True(StateComponents.UserComponents.ContainsAll(info.Requires));
        }
    }

    [Fact]
    public void The_registers_share_the_components_out_between_them()
    {
        Assert.False(StateComponents.UserComponents.Overlaps(StateComponents.SupervisorComponents));
        Assert.Equal(StateComponents.All.Length, StateComponents.UserComponents.Count + StateComponents.SupervisorComponents.Count);
        Assert.Equal(0x4000_0000_000E_02FFUL, StateComponents.UserComponents.Bits);
        Assert.Equal(0x1_FD00UL, StateComponents.SupervisorComponents.Bits);
    }

    [Fact]
    public void Real_processors_enumerate_the_sizes_and_kinds_of_the_catalogue_but_for_PKRU_on_Rome()
    {
        List<string> others = [];
        foreach (string host in SampleHosts.Names)
        {
            foreach (XsaveSlot slot in SampleHosts.Layout(host).Slots)
            {
                StateComponentInfo info = StateComponents.Get(slot.Component);
                Assert.Equal(info.EnabledBy == EnabledBy.Xss, slot.IsSupervisor);
                if (info.Size != slot.Size)
                {
                    others.Add($"{host} {info.Name} {slot.Size}");
                }
            }
        }

        Assert.Equal(["amd-rome pkru 64"], others);
    }

    [Fact]
    public void A_feature_names_its_bit_as_the_manuals_do()
    {
        CpuidFeature pku = Assert.Single(StateComponents.Get(StateComponent.Pkru).Features);
        Assert.Equal("CPUID.7.0:ECX[3] PKU", pku.ToString());
        Assert.True(pku.IsIn(SampleHosts.Cpuid("amd-genoa")));
        Assert.False(pku.IsIn(SampleHosts.Cpuid("amd-rome")));
        Assert.False(pku.IsIn(CpuidTable.Empty));
    }
}
