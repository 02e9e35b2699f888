using Microsoft.Extensions.Hosting;

namespace Xstate.Server;

/// <summary>
/// The service lives as long as the program says, which hears the signals itself. The usual lifetime would stop it on SIGTERM at once,
/// before callers have noticed.
/// </summary>
internal sealed class ProgramLifetime : IHostLifetime
{
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
