using System.Collections.Concurrent;
using System.Diagnostics;

namespace Xstate.Server.Tests;

/// <summary>Many clients that call one after another, until a time is over or they are told to leave.</summary>
internal sealed class Load
{
    public ConcurrentBag<double> Milliseconds { get; } = [];

    public ConcurrentBag<string> Errors { get; } = [];

    public static async Task<Load> Run(Service service, int clients, TimeSpan time, Func<bool>? isOver = null)
    {
        Load load = new();
        long end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        string request = Requests.WithNames("vm-intel-sapphire-rapids", service.Names.Take(500));
        await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => Task.Run(async () =>
        {
            while (Stopwatch.GetTimestamp() < end && isOver?.Invoke() != true && await load.Call(service, request))
            {
            }
        })));
        return load;
    }

    public double Percentile(int percent)
    {
        double[] sorted = [.. Milliseconds.Order()];
        return sorted[Math.Min(sorted.Length - 1, sorted.Length * percent / 100)];
    }

    private async Task<bool> Call(Service service, string request)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            await service.Post("/filter", request);
            Milliseconds.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            return true;
        }
#pragma warning disable CA1031 // Whatever it is, an answer is missing.
        catch (Exception error)
#pragma warning restore CA1031
        {
            Errors.Add(error.ToString());
            return false;
        }
    }
}
