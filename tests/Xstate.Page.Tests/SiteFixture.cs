using Xstate.Cli.Tests;

namespace Xstate.Page.Tests;

/// <summary>The reference site, written once by the command.</summary>
public sealed class SiteFixture : IAsyncLifetime
{
    private readonly Scratch _scratch = new();

    /// <summary>A page of it.</summary>
    public string PathOf(string page) => Path.Combine(_scratch.PathOf("site"), page);

    public async ValueTask InitializeAsync()
    {
        XstateProcess run = await XstateProcess.Run("docs", "-o", _scratch.PathOf("site"));
        Assert.Equal((0, ""), (run.ExitCode, run.Error));
    }

    public ValueTask DisposeAsync()
    {
        _scratch.Dispose();
        return ValueTask.CompletedTask;
    }
}
