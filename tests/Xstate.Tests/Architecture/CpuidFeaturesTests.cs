using Xstate.Architecture;

namespace Xstate.Tests.Architecture;

public sealed class CpuidFeaturesTests
{
    [Fact]
    public void Each_bit_and_each_name_has_one_row()
    {
        Assert.True(CpuidFeatures.All.Length > 200, $"{CpuidFeatures.All.Length} rows");
        Assert.Equal(CpuidFeatures.All.Length, CpuidFeatures.All.Select(f => (f.Leaf, f.Subleaf, f.Register, f.Bit)).Distinct().Count());
        Assert.Equal(CpuidFeatures.All.Length, CpuidFeatures.All.Select(f => f.Name.ToUpperInvariant()).Distinct().Count());
        Assert.All(CpuidFeatures.All, f => Assert.InRange(f.Bit, 0, 31));
        Assert.All(CpuidFeatures.All, f => Assert.Same(f, CpuidFeatures.Find(f.Name.ToLowerInvariant())));
        Assert.Null(CpuidFeatures.Find("nosuch"));
    }

    [Fact]
    public void The_features_of_the_components_are_rows_of_the_catalogue_and_announce_state()
    {
        foreach (CpuidFeature feature in StateComponents.All.SelectMany(info => info.Features))
        {
            Assert.Same(feature, CpuidFeatures.Find(feature.Name));
            Assert.Equal(FeatureEffect.State, feature.Effect);
        }
    }

    [Theory]
    [InlineData("HYPERVISOR")]
    [InlineData("X2APIC")]
    [InlineData("TSC_DEADLINE")]
    [InlineData("TSC_ADJUST")]
    [InlineData("SYSCALL")]
    [InlineData("SSBD")]
    [InlineData("OSXSAVE")]
    public void Bits_that_announce_no_instruction_and_no_state_say_so(string name) =>
        Assert.Equal(FeatureEffect.None, CpuidFeatures.Find(name)!.Effect);

    [Fact]
    public void A_table_has_a_feature_when_its_bit_is_set_and_a_component_when_one_of_its_features_is()
    {
        CpuidTable cpuid = CpuidTable.Empty.With(7, 0, new CpuidRegisters(0, 0, 0, 1u << CpuidFeatures.CetIbt.Bit));

        Assert.True(cpuid.Has(CpuidFeatures.CetIbt));
        Assert.False(cpuid.Has(CpuidFeatures.CetSs));
        Assert.True(StateComponents.Get(StateComponent.CetU).IsAnnouncedBy(cpuid));
        Assert.False(StateComponents.Get(StateComponent.Pkru).IsAnnouncedBy(cpuid));
    }
}
