using System.Collections.Concurrent;
using System.Globalization;
using System.Text;

namespace Xstate.Server;

/// <summary>Counters in the text format of Prometheus.</summary>
internal sealed class ServerMetrics
{
    private static readonly double[] Bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];

    private readonly ConcurrentDictionary<string, Series> _calls = new();
    private readonly ConcurrentDictionary<(string Call, string Result), StrongCount> _results = new();

    /// <summary>Notes a call.</summary>
    /// <param name="call">Which.</param>
    /// <param name="result">What came of it: a word of this program.</param>
    /// <param name="elapsed">How long it took.</param>
    public void Add(string call, string result, TimeSpan elapsed)
    {
        Interlocked.Increment(ref _results.GetOrAdd((call, result), _ => new StrongCount()).Value);
        Series series = _calls.GetOrAdd(call, _ => new Series());
        lock (series)
        {
            series.Count++;
            series.Sum += elapsed.TotalSeconds;
            for (int i = 0; i < Bounds.Length; i++)
            {
                series.Below[i] += elapsed.TotalSeconds <= Bounds[i] ? 1 : 0;
            }
        }
    }

    /// <summary>All of them, with what is known of the fleet.</summary>
    public string Write(FleetIndex fleet)
    {
        StringBuilder text = new();
        Gauge(text, "xstate_nodes", "Nodes with a record.", fleet.NodeCount);
        Gauge(text, "xstate_vms", "VMs with a record.", fleet.VmCount);
        Gauge(text, "xstate_host_classes", "Classes of hosts.", fleet.HostClassCount);
        Gauge(text, "xstate_guest_classes", "Classes of guests.", fleet.GuestClassCount);
        Gauge(text, "xstate_unread_inputs", "Files and lines that could not be read.", fleet.Unread);
        Head(text, "xstate_calls_total", "Calls by what came of them.", "counter");
        foreach (((string call, string result), StrongCount count) in _results.OrderBy(one => one.Key))
        {
            Line(text, $"xstate_calls_total{{call=\"{call}\",result=\"{result}\"}}", Interlocked.Read(ref count.Value));
        }

        Head(text, "xstate_call_seconds", "How long calls took.", "histogram");
        foreach ((string call, Series series) in _calls.OrderBy(one => one.Key, StringComparer.Ordinal))
        {
            lock (series)
            {
                for (int i = 0; i < Bounds.Length; i++)
                {
                    string bound = Bounds[i].ToString(CultureInfo.InvariantCulture);
                    Line(text, $"xstate_call_seconds_bucket{{call=\"{call}\",le=\"{bound}\"}}", series.Below[i]);
                }

                Line(text, $"xstate_call_seconds_bucket{{call=\"{call}\",le=\"+Inf\"}}", series.Count);
                Line(text, $"xstate_call_seconds_sum{{call=\"{call}\"}}", series.Sum);
                Line(text, $"xstate_call_seconds_count{{call=\"{call}\"}}", series.Count);
            }
        }

        return text.ToString();
    }

    private static void Gauge(StringBuilder text, string name, string help, long value)
    {
        Head(text, name, help, "gauge");
        Line(text, name, value);
    }

    private static void Head(StringBuilder text, string name, string help, string type) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static void Line(StringBuilder text, string name, double value) =>
        text.Append(CultureInfo.InvariantCulture, $"{name} {value:R}\n");

    private sealed class StrongCount
    {
        public long Value;
    }

    private sealed class Series
    {
        public long Count { get; set; }

        public double Sum { get; set; }

        public long[] Below { get; } = new long[Bounds.Length];
    }
}
