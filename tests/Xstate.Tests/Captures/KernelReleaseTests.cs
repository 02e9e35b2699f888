using Xstate.Captures;

namespace Xstate.Tests.Captures;

public class KernelReleaseTests
{
    [Theory]
    [InlineData("6.1", "6.1")]
    [InlineData("6.1.40", "6.1.40")]
    [InlineData("6.12.107+deb12-cloud-amd64", "6.12.107")]
    [InlineData("5.15.0-25-generic", "5.15.0")]
    [InlineData("6.18.44-rc1.2", "6.18.44")]
    public void What_uname_prints_is_read(string text, string release)
    {
        Assert.True(KernelRelease.TryParse(text, out KernelRelease parsed));
        Assert.Equal(release, parsed.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("6")]
    [InlineData("linux-6.1")]
    [InlineData("6.x")]
    [InlineData("123456.1")]
    public void What_is_no_release_is_not(string text)
    {
        Assert.False(KernelRelease.TryParse(text, out _));
    }

    [Fact]
    public void A_series_without_a_patch_level_is_its_newest_release()
    {
        KernelRelease series = new(6, 1);
        Assert.True(series > new KernelRelease(6, 1, 999));
        Assert.True(series < new KernelRelease(6, 2, 0));
        Assert.True(series.IsStableAtLeast(6, 1, 50) && !new KernelRelease(6, 1, 49).IsStableAtLeast(6, 1, 50));
        Assert.False(new KernelRelease(6, 2, 60).IsStableAtLeast(6, 1, 50));
        Assert.True(series.IsAtLeast(5, 17) && series.IsAtLeast(6, 1) && !series.IsAtLeast(6, 2));
        Assert.True(new KernelRelease(5, 15, 9) <= new KernelRelease(5, 15, 10)
            && new KernelRelease(5, 15, 10) >= new KernelRelease(5, 15, 10));
    }
}
