using Xstate.Captures;
using Xstate.Hypervisors;

namespace Xstate.Tests.Hypervisors;

public class DifferenceRelationsTests
{
    public static TheoryData<string> Releases =>
    [
        "4.18", "5.4", "5.10.0", "5.13", "5.14.0", "5.15.0", "5.15.87", "5.15", "5.16", "5.17", "5.18", "5.19.0", "5.19", "6.0.0", "6.0",
            "6.1.0", "6.1.6", "6.1.59", "6.1.60", "6.1", "6.2", "6.3",
        "6.4", "6.5.0", "6.5.8", "6.5.9", "6.6", "6.8", "6.10", "6.12.0", "6.12", "6.14", "6.16", "6.18.0", "6.18", "6.19", "7.0",
            "7.2", "7.3",
    ];

    // What no release of mainline contradicts; a relation that one does is none.
    [Theory]
    [MemberData(nameof(Releases))]
    public void No_release_contradicts_what_relations_say(string text)
    {
        KernelBehavior kernel = Of(text);
        Assert.True(DifferenceRelations.AreConsistent(DifferenceRelations.KnownOf(kernel)), text);
    }

    [Theory]
    [MemberData(nameof(Releases))]
    public void What_follows_is_what_the_release_has(string text)
    {
        KernelBehavior kernel = Of(text);
        Dictionary<KernelDifference, bool> all = DifferenceRelations.KnownOf(kernel);
        foreach (KernelDifference known in all.Keys)
        {
            Dictionary<KernelDifference, bool> one = new() { [known] = all[known] };
            DifferenceRelations.Propagate(one);
            Assert.All(one, pair => Assert.Equal((known.Id, pair.Key.Id, all.GetValueOrDefault(pair.Key)),
                (known.Id, pair.Key.Id, pair.Value)));
        }
    }

    [Fact]
    public void A_raw_buffer_excludes_what_came_with_its_end()
    {
        Dictionary<KernelDifference, bool> values = new() { [KernelDifference.KvmSetXcomp] = false };
        DifferenceRelations.Propagate(values);
        Assert.True(values[KernelDifference.KvmGetRaw]);
        Assert.False(values[KernelDifference.KvmSetStrictCpuid]);
        Assert.False(values[KernelDifference.KvmSetFpSseReject]);
        Assert.False(values[KernelDifference.KvmSetXfdNm]);
        Assert.False(values.ContainsKey(KernelDifference.KvmSetPkruKeep));
    }

    private static KernelBehavior Of(string text)
    {
        Assert.True(KernelRelease.TryParse(text, out KernelRelease release));
        return KernelBehavior.Of(release);
    }
}
