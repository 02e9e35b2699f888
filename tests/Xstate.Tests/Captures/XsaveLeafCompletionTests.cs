using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Tests.Support;

namespace Xstate.Tests.Captures;

public class XsaveLeafCompletionTests
{
    private static readonly CpuidTable Whole = SampleHosts.Cpuid("amd-genoa");

    [Fact]
    public void A_missing_and_an_empty_sub_leaf_are_taken_from_the_same_processor()
    {
        foreach (CpuidTable holed in (CpuidTable[])[Without(9), Whole.With(0xD, 9, default)])
        {
            Assert.Equal(StateComponentSet.Of(StateComponent.Pkru), XsaveLeafCompletion.MissingPlaces(holed));
            Assert.True(XsaveLeafCompletion.TryComplete(holed, Whole, out CpuidTable? completed, out string account));
            Assert.Equal(XsaveLayout.FromCpuid(Whole), XsaveLayout.FromCpuid(completed));
            Assert.Equal("the sub-leaves of pkru in leaf 0xd", account);
            Assert.Equal(StateComponentSet.Empty, XsaveLeafCompletion.MissingPlaces(completed));
        }
    }

    [Fact]
    public void Nothing_is_missing_of_a_component_whose_feature_is_absent()
    {
        CpuidTable noPku = Without(9).With(7, 0, Whole.Read(7) with { Ecx = 0 });
        Assert.Equal(StateComponentSet.Empty, XsaveLeafCompletion.MissingPlaces(noPku));
    }

    [Fact]
    public void A_processor_with_another_layout_is_refused()
    {
        Assert.False(XsaveLeafCompletion.TryComplete(Without(9), SampleHosts.Cpuid("intel-icelake"), out CpuidTable? completed,
            out string account));
        Assert.Null(completed);
        Assert.Equal("it has another layout: opmask is 64 bytes at 1088 there and 64 bytes at 832 here", account);
    }

    [Fact]
    public void A_processor_that_does_not_tell_either_is_refused()
    {
        Assert.False(XsaveLeafCompletion.TryComplete(Without(9), Without(9), out _, out string account));
        Assert.Equal("it does not tell where pkru is either", account);
    }

    [Fact]
    public void A_leaf_that_is_missing_whole_is_taken_for_the_features_that_are_there()
    {
        CpuidTable bare = new([.. Whole.Entries.Where(entry => entry.Leaf != 0xD)]);
        CpuidTable noPku = bare.With(7, 0, Whole.Read(7) with { Ecx = 0 });
        Assert.True(XsaveLeafCompletion.LacksMask(bare));
        Assert.True(XsaveLeafCompletion.TryComplete(bare, Whole, out CpuidTable? completed, out _));
        Assert.Equal(Whole.UserComponents, completed.UserComponents);
        Assert.True(XsaveLeafCompletion.TryComplete(noPku, Whole, out completed, out _));
        Assert.Equal((0xE7UL, 0x980u), (completed.UserComponents.Bits, completed.Read(0xD, 0).Ecx));
        Assert.False(XsaveLeafCompletion.TryComplete(bare, bare, out _, out _));
    }

    [Fact]
    public void A_processor_without_XSAVE_lacks_nothing() =>
        Assert.False(XsaveLeafCompletion.LacksMask(CpuidTable.Empty.With(1, 0, new CpuidRegisters(0, 0, 0, 1))));

    private static CpuidTable Without(uint subleaf) =>
        new([.. Whole.Entries.Where(entry => entry is not { Leaf: 0xD } || entry.Subleaf != subleaf)]);
}
