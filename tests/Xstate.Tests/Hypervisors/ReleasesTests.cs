using Xstate.Captures;
using Xstate.Hypervisors;

namespace Xstate.Tests.Hypervisors;

public class ReleasesTests
{
    private static readonly Releases Strict = Releases.From(5, 17).Until(6, 6).Except(6, 1, 60).Except(6, 5, 9);

    [Fact]
    public void People_read_what_the_data_says()
    {
        Assert.Equal("all", Releases.All.ToString());
        Assert.Equal("none", Releases.None.ToString());
        Assert.Equal("5.16 and later", Releases.From(5, 16).ToString());
        Assert.Equal("up to 5.15", Releases.Before(5, 16).ToString());
        Assert.Equal("up to 4.20", Releases.Before(5, 0).ToString());
        Assert.Equal("5.16", Releases.From(5, 16).Until(5, 17).ToString());
        Assert.Equal("5.17 to 5.19, but not from 5.19.12 on", Releases.From(5, 17).Until(6, 0).Except(5, 19, 12).ToString());
        Assert.Equal("5.17 to 6.5, but not from 6.1.60 and 6.5.9 on", Strict.ToString());
        Assert.Equal("up to 5.13; 6.2 and later, also from 5.15.88 and 6.1.6 on",
            Releases.Before(5, 14).Or(Releases.From(6, 2).Also(5, 15, 88).Also(6, 1, 6)).ToString());
        Assert.Equal("7.3 and later; not known of 7.2.0 to 7.2.12",
            Releases.From(7, 3).Unsettled(new KernelRelease(7, 2, 0), new KernelRelease(7, 2, 12)).ToString());
    }

    [Fact]
    public void What_is_not_settled_is_unknown_and_nothing_beside_it()
    {
        Releases releases = Releases.From(7, 3).Also(7, 2, 13).Unsettled(new KernelRelease(7, 2, 0), new KernelRelease(7, 2, 12));
        Assert.Equal(Knowledge.Absent, releases.Of(new KernelRelease(7, 1, 99)));
        Assert.Equal(Knowledge.Unknown, releases.Of(new KernelRelease(7, 2, 0)));
        Assert.Equal(Knowledge.Unknown, releases.Of(new KernelRelease(7, 2, 12)));
        Assert.Equal(Knowledge.Present, releases.Of(new KernelRelease(7, 2, 13)));
        Assert.Equal(Knowledge.Present, releases.Of(new KernelRelease(7, 2)));
    }

    [Fact]
    public void A_series_in_which_a_fix_arrived_is_told()
    {
        Assert.True(Strict.ChangesWithin(6, 1) && Strict.ChangesWithin(6, 5));
        Assert.False(Strict.ChangesWithin(6, 6) || Strict.ChangesWithin(5, 17));
        Assert.True(Strict.ChangesWith(5, 17) && Strict.ChangesWith(6, 6));
        Assert.False(Strict.ChangesWith(6, 1));
    }

    [Fact]
    public void Each_of_two_spans_counts()
    {
        Releases both = Releases.Before(5, 14).Or(Releases.From(6, 2).Also(5, 15, 88));
        Assert.Equal([Knowledge.Present, Knowledge.Absent, Knowledge.Absent, Knowledge.Present, Knowledge.Present],
            new KernelRelease[] { new(5, 13, 19), new(5, 14, 0), new(5, 15, 87), new(5, 15, 88), new(6, 2, 0) }.Select(both.Of));
    }
}
