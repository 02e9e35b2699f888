using Xstate.Captures;
using Xstate.Hypervisors;

namespace Xstate.Tests.Hypervisors;

public class KernelBehaviorTests
{
    private static readonly DifferenceFact NotKnown = new(Knowledge.Unknown, "no change log could be read");

    [Fact]
    public void What_is_not_known_is_never_guessed()
    {
        KernelBehavior kernel = KernelBehavior.Of(new KernelRelease(5, 10)).Set(KernelDifference.KvmSetStrictCpuid, NotKnown);
        UnknownDifferenceException refused = Assert.Throws<UnknownDifferenceException>(() =>
            kernel.Has(KernelDifference.KvmSetStrictCpuid));
        Assert.Same(KernelDifference.KvmSetStrictCpuid, refused.Difference);
        Assert.Contains("linux-5.10", refused.Message, StringComparison.Ordinal);
        Assert.Contains(NotKnown.Why, refused.Message, StringComparison.Ordinal);
        Assert.Equal([KernelDifference.KvmSetStrictCpuid], kernel.Unknown);
        Assert.DoesNotContain(KernelDifference.KvmSetStrictCpuid, kernel.Differences);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Whoever_decides_is_asked_for_unknown_differences_only(bool present)
    {
        Decider decider = new(present);
        KernelBehavior kernel = KernelBehavior.Of(new KernelRelease(5, 10)).Set(KernelDifference.KvmSetStrictCpuid, NotKnown)
            .Asking(decider);
        Assert.True(kernel.Has(KernelDifference.KvmGetRaw));
        Assert.False(kernel.Has(KernelDifference.KvmXsaveDynamic));
        Assert.Empty(decider.Asked);
        Assert.Equal(present, kernel.Has(KernelDifference.KvmSetStrictCpuid));
        Assert.Equal([(KernelDifference.KvmSetStrictCpuid, NotKnown)], decider.Asked);
        Assert.Equal(Knowledge.Unknown, kernel.Knows(KernelDifference.KvmSetStrictCpuid));
    }

    [Fact]
    public void What_is_set_by_hand_is_not_asked_for()
    {
        Decider decider = new(true);
        KernelBehavior kernel = KernelBehavior.Of(new KernelRelease(5, 10)).Set(KernelDifference.KvmSetStrictCpuid, NotKnown)
            .Asking(decider);
        Assert.False(kernel.Set(KernelDifference.KvmSetStrictCpuid, present: false).Has(KernelDifference.KvmSetStrictCpuid));
        Assert.Empty(decider.Asked);
    }

    private sealed class Decider(bool present) : IUnknownDifferences
    {
        public List<(KernelDifference Difference, DifferenceFact Fact)> Asked { get; } = [];

        public bool Decide(KernelDifference difference, DifferenceFact fact)
        {
            Asked.Add((difference, fact));
            return present;
        }
    }
}
