using System.Diagnostics;
using System.Text.Json;

namespace Xstate.Benchmarks.Fleet;

/// <summary>
/// What pooling a generated fleet costs, beside the floor: all bytes of the same files through a plain <see cref="Utf8JsonReader"/>.
/// The two run in turn, and the least of each counts.
/// </summary>
internal static class FleetMeasure
{
    private const int Rounds = 3;
    private const int PollMilliseconds = 20;
    private const double Mega = 1 << 20;

    public static void Write(TextWriter output, string command, IEnumerable<string> fleets)
    {
        output.WriteLine("| hosts | VMs | bytes | classes of hosts, of guests | pool s | its CPU s | floor CPU s | pool/floor | peak MB |");
        output.WriteLine("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
        foreach (string fleet in fleets)
        {
            double wall = double.MaxValue;
            double pool = double.MaxValue;
            double floor = double.MaxValue;
            double peak = 0;
            long bytes = 0;
            string counts = "";
            for (int round = 0; round < Rounds; round++)
            {
                TimeSpan before = Environment.CpuUsage.TotalTime;
                bytes = Directory.GetFiles(Path.Combine(fleet, "hosts"), "*.json", SearchOption.AllDirectories).Sum(ReadWhole)
                    + ReadLines(Path.Combine(fleet, "vms.jsonl"));
                floor = Math.Min(floor, (Environment.CpuUsage.TotalTime - before).TotalSeconds);
                long start = Stopwatch.GetTimestamp();
                Run run = Pool(command, fleet);
                wall = Math.Min(wall, Stopwatch.GetElapsedTime(start).TotalSeconds);
                pool = Math.Min(pool, run.CpuSeconds);
                peak = Math.Max(peak, run.PeakMegabytes);
                counts = run.Counts;
            }

            string size = counts.Replace("BYTES", FormattableString.Invariant($"{bytes:#,0}"), StringComparison.Ordinal);
            output.WriteLine(FormattableString.Invariant(
                $"| {size} | {wall:f1} | {pool:f1} | {floor:f2} | {pool / floor:f1} | {peak:f0} |"));
        }
    }

    private static long ReadWhole(string file)
    {
        byte[] bytes = File.ReadAllBytes(file);
        Walk(bytes);
        return bytes.Length;
    }

    private static long ReadLines(string file)
    {
        using FileStream stream = File.OpenRead(file);
        byte[] buffer = new byte[1 << 20];
        int held = 0;
        int read;
        while ((read = stream.Read(buffer, held, buffer.Length - held)) > 0)
        {
            ReadOnlySpan<byte> rest = buffer.AsSpan(0, held + read);
            int length;
            while ((length = rest.IndexOf((byte)'\n')) >= 0)
            {
                Walk(rest[..length]);
                rest = rest[(length + 1)..];
            }

            held = rest.Length;
            rest.CopyTo(buffer);
        }

        return stream.Length;
    }

    private static void Walk(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json);
        while (reader.Read())
        {
        }
    }

    private static Run Pool(string command, string fleet)
    {
        ProcessStartInfo start = new(command) { RedirectStandardOutput = true, UseShellExecute = false };
        foreach (string argument in (string[])
            ["pool", Path.Combine(fleet, "hosts"), "--vms", Path.Combine(fleet, "vms.jsonl"), "--json"])
        {
            start.ArgumentList.Add(argument);
        }

        using Process process = Process.Start(start)!;
        Task<JsonDocument> reading = JsonDocument.ParseAsync(process.StandardOutput.BaseStream);
        (long peak, double seconds) = (0, 0);
        while (!process.WaitForExit(PollMilliseconds))
        {
            try
            {
                process.Refresh();
                peak = Math.Max(peak, process.PeakWorkingSet64);
                seconds = process.TotalProcessorTime.TotalSeconds;
            }
            catch (InvalidOperationException)
            {
                // It has ended in between.
            }
        }

        using JsonDocument answer = reading.GetAwaiter().GetResult();
        JsonElement classes = answer.RootElement.GetProperty("classes");
        JsonElement guests = answer.RootElement.GetProperty("guests");
        int hosts = classes.EnumerateArray().Sum(one => one.GetProperty("hosts").GetArrayLength());
        long vms = guests.EnumerateArray().SelectMany(guest => guest.GetProperty("homes").EnumerateArray())
            .Sum(home => home.GetProperty("count").GetInt64());
        return new Run(
            FormattableString.Invariant($"{hosts:#,0} | {vms:#,0} | BYTES | {classes.GetArrayLength()}, {guests.GetArrayLength()}"),
            seconds,
            peak / Mega);
    }

    private sealed record Run(string Counts, double CpuSeconds, double PeakMegabytes);
}
