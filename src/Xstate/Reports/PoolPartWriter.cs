using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Xstate.Artifacts.HostFile;
using Xstate.Captures;
using Xstate.Fleet;
using Xstate.Hypervisors;
using Xstate.Hypervisors.Kernels;

namespace Xstate.Reports;

/// <summary>
/// Writes a part of a pool: a line of JSON, and a line with its SHA-256. Only the version of Xstate that wrote it reads it: parts are
/// made to be merged at once, and kept nowhere.
/// </summary>
internal static class PoolPartWriter
{
    /// <summary>The version that is written into parts.</summary>
    internal static string Program { get; } = typeof(PoolPartWriter).Assembly.GetName().Version!.ToString();

    /// <summary>The bytes of a part.</summary>
    public static byte[] Write(PoolPartFile file)
    {
        ArgumentNullException.ThrowIfNull(file);
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            Write(json, file);
        }

        string hash = Convert.ToHexStringLower(SHA256.HashData(bytes.GetBuffer().AsSpan(0, (int)bytes.Length)));
        bytes.Write(System.Text.Encoding.ASCII.GetBytes($"\n{PoolPartReader.HashBegin}{hash}{PoolPartReader.HashEnd}"));
        return bytes.ToArray();
    }

    private static void Write(Utf8JsonWriter json, PoolPartFile file)
    {
        PoolPart part = file.Part;
        json.WriteStartObject();
        json.WriteString("format", PoolPartFile.Format);
        json.WriteString("program", Program);
        json.WriteNumber("shard", part.Shard.Index);
        json.WriteNumber("of", part.Shard.Count);
        json.WriteString("inputs", file.Inputs);
        json.WriteString("options", part.Options);
        JsonAnswer.WriteOptional(json, "upgrade", part.Upgrade);
        json.WriteNumber("rehearsed", part.Rehearsed);
        WriteHosts(json, part.Classes);
        WriteGuests(json, part);
        WriteItems(json, "captures", part.Captures, capture =>
        {
            json.WriteNumberValue(capture.Place);
            json.WriteStringValue(capture.Name);
            json.WriteNumberValue(capture.Guest);
            json.WriteNumberValue(capture.Home);
        });
        WriteItems(json, "unreadHosts", file.UnreadHosts, host => Write(json, host));
        WriteItems(json, "unreadCaptures", file.UnreadCaptures, capture =>
        {
            json.WriteNumberValue(capture.Place);
            Write(json, capture.Input);
        });
        WriteItems(json, "records", file.Records, records =>
        {
            json.WriteStringValue(records.Name);
            json.WriteNumberValue(records.Lines);
            json.WriteNumberValue(records.Bad);
            json.WriteStringValue(records.Failure);
            foreach ((long line, string message) in records.Told)
            {
                json.WriteNumberValue(line);
                json.WriteStringValue(message);
            }
        });
        json.WriteEndObject();
    }

    // Of each class one host whole, and of the others what answers say of them.
    private static void WriteHosts(Utf8JsonWriter json, ImmutableArray<HostClass> classes)
    {
        json.WriteStartArray("classes");
        foreach (HostClass one in classes)
        {
            json.WriteStartObject();
            json.WritePropertyName("record");
            using (JsonDocument record = JsonDocument.Parse(HostFileWriter.Write(one.Host.Record)))
            {
                // As one line.
                record.WriteTo(json);
            }

            Write(json, one.Host.Behavior);
            json.WriteString("fingerprint", one.Fingerprint);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        (PoolHost Host, int Class)[] hosts = [.. classes.SelectMany(one => one.Hosts.Select(host => (host, one.Id)))];
        WriteItems(json, "hosts", hosts, pair =>
        {
            json.WriteStringValue(pair.Host.Argument);
            json.WriteStringValue(pair.Host.Host.Record.Name);
            json.WriteNumberValue(pair.Class);
        });
    }

    private static void Write(Utf8JsonWriter json, KernelBehavior kernel)
    {
        KernelReading reading = kernel.Reading;
        json.WriteStartArray("kernel");
        string?[] texts =
            [reading.Name, reading.Family, reading.Title, reading.Base, reading.Confidence, reading.Remark, reading.Check];
        foreach (string? text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteBooleanValue(reading.HasBackports);
        foreach (KernelRelease? release in (KernelRelease?[])[kernel.Release, kernel.Span?.First, kernel.Span?.Last])
        {
            json.WriteStringValue(release?.ToString());
        }

        json.WriteStringValue(string.Concat(
            KernelDifference.All.Select(difference => ((int)kernel.Knows(difference)).ToString(CultureInfo.InvariantCulture))));
        json.WriteEndArray();
    }

    private static void WriteGuests(Utf8JsonWriter json, PoolPart part)
    {
        // Few outcomes are different.
        Dictionary<string, int> ids = [];
        List<MoveOutcome> outcomes = [];
        WriteItems(json, "guests", part.Guests, guest =>
        {
            json.WriteStringValue(guest.Key);
            json.WriteNumberValue(guest.First);
            foreach (MoveOutcome outcome in guest.Outcomes.Concat(guest.Upgraded))
            {
                string key = $"{outcome.Verdict}|{Joined(outcome.Rules)}|{outcome.Components.Bits:x}|"
                    + $"{Joined(outcome.Features)}|{Joined(outcome.Differences)}";
                if (!ids.TryGetValue(key, out int id))
                {
                    id = outcomes.Count;
                    ids.Add(key, id);
                    outcomes.Add(outcome);
                }

                json.WriteNumberValue(id);
            }
        });
        WriteItems(json, "outcomes", outcomes, outcome =>
        {
            json.WriteStringValue(outcome.Verdict.ToString());
            json.WriteStringValue(outcome.Components.ToString());
            WriteTexts(json, outcome.Rules);
            WriteTexts(json, outcome.Features);
            WriteTexts(json, outcome.Differences);
        });
        WriteItems(json, "groups", part.Groups, group =>
        {
            json.WriteNumberValue(group.Guest);
            json.WriteNumberValue(group.Home);
            json.WriteNumberValue(group.Count);
            foreach ((long place, string name) in group.Names)
            {
                json.WriteNumberValue(place);
                json.WriteStringValue(name);
            }
        });
    }

    private static string Joined(ImmutableArray<string> texts) => string.Join(',', texts);

    private static void Write(Utf8JsonWriter json, UnreadInput input)
    {
        json.WriteStringValue(input.Argument);
        json.WriteNumberValue(input.Exit);
        json.WriteStringValue(input.Message);
    }

    private static void WriteTexts(Utf8JsonWriter json, ImmutableArray<string> texts)
    {
        json.WriteStartArray();
        foreach (string text in texts)
        {
            json.WriteStringValue(text);
        }

        json.WriteEndArray();
    }

    private static void WriteItems<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
        {
            json.WriteStartArray();
            write(item);
            json.WriteEndArray();
        }

        json.WriteEndArray();
    }
}
