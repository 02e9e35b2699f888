using System.Collections.Concurrent;
using System.Diagnostics;

namespace Xstate.Server.Tests;

/// <summary>Many clients that call one after another, until a time is over or they are told to leave.</summary>
internal sealed class Load
{
    private static readonly string[] Paths = ["/filter", "/prioritize", "/validate"];

    private readonly ConcurrentBag<(string Path, double Milliseconds)> _calls = [];

    public ConcurrentBag<string> Errors { get; } = [];

    /// <summary>Calls that were answered.</summary>
    public int Count => _calls.Count;

    /// <summary>Each client calls the extender's two and the webhook in turn.</summary>
    public static async Task<Load> Run(Service service, int clients, TimeSpan time, Func<bool>? isOver = null)
    {
        Load load = new();
        long end = Stopwatch.GetTimestamp() + (long)(time.TotalSeconds * Stopwatch.Frequency);
        string arguments = Requests.WithNames("vm-intel-sapphire-rapids", service.Names.Take(500));
        string[] requests = [arguments, arguments, Requests.Migration("vm-intel-sapphire-rapids")];
        await Task.WhenAll(Enumerable.Range(0, clients).Select(client => Task.Run(async () =>
        {
            int next = client % Paths.Length;
            while (Stopwatch.GetTimestamp() < end && isOver?.Invoke() != true && await load.Call(service, Paths[next], requests[next]))
            {
                next = (next + 1) % Paths.Length;
            }
        })));
        return load;
    }

    /// <summary>How many calls there were, and how long they took, path by path.</summary>
    public IEnumerable<string> Lines()
    {
        foreach (string path in Paths)
        {
            double[] sorted = [.. _calls.Where(call => call.Path == path).Select(call => call.Milliseconds).Order()];
            Assert.NotEmpty(sorted);
            yield return FormattableString.Invariant(
                $"{path}: {sorted.Length} calls, p50 {At(sorted, 50):f0} ms, p99 {At(sorted, 99):f0} ms, most {sorted[^1]:f0} ms");
        }
    }

    private static double At(double[] sorted, int percent) => sorted[Math.Min(sorted.Length - 1, sorted.Length * percent / 100)];

    private async Task<bool> Call(Service service, string path, string request)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            await service.Post(path, request);
            _calls.Add((path, Stopwatch.GetElapsedTime(start).TotalMilliseconds));
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
