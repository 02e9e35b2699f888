using System.Diagnostics;
using System.Net;

namespace Xstate.Server.Tests;

/// <summary>SIGTERM while clients call.</summary>
public class StopTests
{
    private static readonly TimeSpan UntilNoticed = TimeSpan.FromSeconds(1);

    /// <summary>
    /// Clients leave as those behind one of Kubernetes' services do: some time after the service said that it is not ready. Until then
    /// every call has its answer, and the service ends well.
    /// </summary>
    [Fact]
    public async Task No_answer_is_lost_when_the_service_is_told_to_stop()
    {
        // Longer than a busy machine needs for the clients to notice; nobody calls in the rest of it.
        await using Service service = new() { Drain = 15 };
        await service.InitializeAsync();
        bool isOver = false;
        bool wasNotReady = false;
        Task told = Task.Run(Tell, TestContext.Current.CancellationToken);
        Load load = await Load.Run(service, clients: 100, TimeSpan.FromSeconds(60), () => Volatile.Read(ref isOver));
        await told;
        Assert.True(wasNotReady);
        Assert.True(load.Errors.IsEmpty, string.Join("\n", load.Errors.Take(2)));
        foreach (string line in load.Lines())
        {
            TestContext.Current.SendDiagnosticMessage(line);
        }

        Assert.Equal(0, await service.EndAsync());

        async Task Tell()
        {
            await Task.Delay(TimeSpan.FromSeconds(3), TestContext.Current.CancellationToken);
            using (Process kill = Process.Start("/bin/sh", ["-c", $"kill -TERM {service.ProcessId}"]))
            {
                await kill.WaitForExitAsync(TestContext.Current.CancellationToken);
            }

            while (!wasNotReady)
            {
                using HttpResponseMessage ready = await service.Client.GetAsync("/readyz", TestContext.Current.CancellationToken);
                wasNotReady = ready.StatusCode == HttpStatusCode.ServiceUnavailable;
            }

            await Task.Delay(UntilNoticed, TestContext.Current.CancellationToken);
            Volatile.Write(ref isOver, true);
        }
    }
}
