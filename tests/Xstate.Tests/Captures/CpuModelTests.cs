using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Captures;

public class CpuModelTests
{
    [Theory]
    [InlineData("avx", 0x4)]
    [InlineData("mpx", 0x18)]
    [InlineData("avx512f", 0xE0)]
    [InlineData("pku", 0x200)]
    [InlineData("amx-tile", 0x6_0000)]
    [InlineData("amx_tile", 0x6_0000)]
    [InlineData("lwp", 0x4000_0000_0000_0000)]
    [InlineData("shstk", 0x1800)]
    [InlineData("user_shstk", 0x1800)]
    [InlineData("ibt", 0x1800)]
    [InlineData("apxf", 0x8_0000)]
    [InlineData("arch-lbr", 0x8000)]
    [InlineData("intel-pt", 0x100)]
    [InlineData("avx2", 0)]
    [InlineData("pks", 0)]
    [InlineData("ospke", 0)]
    [InlineData("xsave", 0)]
    public void A_feature_brings_these_components(string name, ulong components) =>
        Assert.Equal(components, FeatureNames.ComponentsOf(name).Bits);

    [Fact]
    public void Every_component_of_the_catalogue_has_a_name_that_brings_it()
    {
        foreach (StateComponentInfo info in StateComponents.All)
        {
            Assert.All(info.Features, feature => Assert.True(FeatureNames.ComponentsOf(feature.Name).Contains(info.Component),
                feature.Name));
        }
    }

    [Fact]
    public void Components_say_which_names_they_follow_from()
    {
        Fact<StateComponentSet> components = Model("xsave avx avx2 pku").Components;
        Assert.Equal((0x207UL, FactSource.Inferred, "features avx, pku, xsave of X"),
            (components.Value.Bits, components.Provenance.Source, components.Provenance.Detail));
    }

    [Fact]
    public void Without_XSAVE_nothing_is_brought_and_what_is_named_is_unusable()
    {
        CpuModel model = Model("avx avx512f pku");
        Assert.True(model.LacksXsave);
        Assert.Equal((0UL, 0UL, 0x2E4UL), (model.Components.Value.Bits, model.Undecided.Bits, model.Unusable.Bits));
    }

    [Fact]
    public void A_base_leaves_open_what_it_alone_can_tell()
    {
        CpuModel model = Model("pku") with { Base = "Y", Absent = ["avx512f"] };
        Assert.False(model.LacksXsave);
        Assert.Equal(0x200UL, model.Components.Value.Bits);
        Assert.Equal(0x6_001F | 0x8_0000 | 0x4000_0000_0000_0000UL, (model.Undecided & StateComponents.UserComponents).Bits);
        Assert.True((model with { Absent = ["xsave"] }).LacksXsave);
    }

    [Fact]
    public void A_base_that_is_found_is_put_under_the_differences()
    {
        CpuModel model = Model("pku") with { Base = "Y", Absent = ["avx512f"], Vendor = null };
        CpuModel whole = model.On(Model("xsave avx avx512f mpx") with { Name = "Y", Vendor = "Intel", Optional = ["amx-tile"] });
        Assert.Equal((0x21FUL, 0x6_0000UL, null, "Intel"), (whole.Components.Value.Bits, whole.Undecided.Bits, whole.Base, whole.Vendor));
        Assert.Throws<ArgumentException>(() => model.On(Model("xsave") with { Name = "Z" }));
        Assert.Throws<ArgumentException>(() => model.On(Model("xsave") with { Name = "Y", ListsFeatures = false }));
    }

    [Fact]
    public void A_mere_name_decides_nothing()
    {
        CpuModel model = new() { Name = "X", Provenance = new Provenance(FactSource.Artifact, "a list") };
        Assert.Equal((0UL, false), (model.Components.Value.Bits, model.LacksXsave));
        Assert.Equal(StateComponents.UserComponents | StateComponents.SupervisorComponents, model.Undecided);
        Assert.Equal(StateComponentSet.Empty, model.Unusable);
    }

    [Fact]
    public void A_model_with_a_processor_is_a_host_that_supports_what_the_model_has()
    {
        CpuidTable genoa = SampleHosts.Cpuid("amd-genoa");
        Assert.True(CpuModelHost.TryCreate(Model("xsave avx pku"), genoa, "genoa", out HostRecord? host, out _));
        Assert.Same(genoa, host.Cpuid);
        Assert.Equal(0x207UL, host.SupportedCpuid!.UserComponents.Bits);
        Assert.Equal(0UL, host.SupportedCpuid.SupervisorComponents.Bits);
        Assert.Equal(0u, host.SupportedCpuid.Read(7).Ebx >> 16 & 1);
        Assert.True(host.SupportedCpuid.Read(0xD, 5).IsZero);
        Assert.Equal(genoa.Read(0xD, 9), host.SupportedCpuid.Read(0xD, 9));
        Assert.Equal(1u, host.SupportedCpuid.Read(1).Ecx >> 28 & 1);
    }

    [Fact]
    public void A_model_without_XSAVE_is_a_host_whose_guests_have_none()
    {
        Assert.True(CpuModelHost.TryCreate(Model("sse"), SampleHosts.Cpuid("amd-genoa"), "genoa", out HostRecord? host, out _));
        Assert.Equal((0UL, 0u), (host.SupportedCpuid!.UserComponents.Bits, host.SupportedCpuid.Read(1).Ecx >> 26 & 3));
    }

    [Theory]
    [InlineData("xsave avx amx-tile", null, "X has 0x60000 (tilecfg, tiledata), which genoa lacks")]
    [InlineData("xsave avx", "Y", "X is Y with differences, which leaves 0x2e0 (opmask, zmm_hi256, hi16_zmm, pkru) undecided")]
    public void A_model_that_the_processor_does_not_fit_is_no_host(string features, string? baseModel, string expected)
    {
        Assert.False(CpuModelHost.TryCreate(Model(features) with { Base = baseModel }, SampleHosts.Cpuid("amd-genoa"), "genoa",
            out HostRecord? host, out string obstacle));
        Assert.Null(host);
        Assert.Equal(expected, obstacle);
    }

    private static CpuModel Model(string features) => new()
    {
        Name = "X",
        ListsFeatures = true,
        Features = [.. features.Split(' ')],
        Provenance = new Provenance(FactSource.Given, "a test"),
    };
}
