namespace Xstate.Cli.Tests;

public class SkeletonTests
{
    [Fact]
    public void Runs() => Assert.True(true);

    [Fact(Skip = "reason here")]
    public void Skips() => Assert.True(true);
}
