using System.Text.Json;
using Xstate.Fleet;
using Xstate.Rehearsal;

namespace Xstate.Reports;

/// <summary>The answer of <c>pool</c> as JSON and CSV.</summary>
internal static class PoolReport
{
    /// <summary>Writes the fields of the JSON answer behind version and verb.</summary>
    public static void WriteFields(Utf8JsonWriter json, PoolAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(answer);
        Pool pool = answer.Pool;
        WriteArray(json, "classes", pool.Classes, one =>
        {
            json.WriteNumber("id", one.Id);
            WriteHosts(json, one);
            json.WriteString("kernel", one.Host.Behavior.Reading.Name);
            WriteRange(json, "common", one.Offer, withFeatures: false);
        });
        WriteArray(json, "matrix", pool.Matrix, move =>
        {
            json.WriteNumber("from", move.From.Id);
            json.WriteNumber("to", move.To.Id);
            WriteOutcome(json, move.Outcome);
            json.WriteString("moved", move.MovesFullest ? "fullest" : "guests");
        });
        WriteCaptures(json, answer);
        WriteArray(json, "costs", pool.Costs, cost =>
        {
            json.WriteNumber("class", cost.Class.Id);
            WriteHosts(json, cost.Class);
            WriteOffer(json, cost.Offer);
            json.WriteNumber("from", cost.Others);
            json.WriteNumber("of", cost.All);
            json.WriteBoolean("certain", cost.IsCertain);
        });
        WriteArray(json, "upgrades", answer.Upgrade is { } plan ? [plan] : Array.Empty<UpgradePlan>(), one => Write(json, one));
        WriteRange(json, "common", pool.Common, withFeatures: true);
        WriteArray(json, "guests", pool.Guests, guest =>
        {
            json.WriteNumber("id", guest.Id);
            WriteArray(json, "homes", pool.Groups.Where(group => group.Guest.Id == guest.Id), group =>
            {
                WriteHome(json, group.Home);
                json.WriteNumber("count", group.Count);
            });
            JsonAnswer.WriteStrings(json, "verdicts", pool.Classes.Select(one => CheckReport.NameOf(pool.Outcome(guest, one).Verdict)));
        });
        WriteArray(json, "pinned", pool.Pinned, pinned =>
        {
            WriteGroup(json, pinned.Group);
            json.WriteBoolean("certain", pinned.IsCertain);
            json.WriteStartObject("by");
            json.WriteString("components", pinned.Components.ToString());
            JsonAnswer.WriteStrings(json, "features", pinned.Features);
            JsonAnswer.WriteStrings(json, "differences", pinned.Differences);
            JsonAnswer.WriteStrings(json, "rules", pinned.Rules);
            json.WriteEndObject();
        });
        WriteArray(json, "changes", answer.Changes, change =>
        {
            json.WriteString("change", change.Kind.ToString().ToLowerInvariant());
            json.WriteNumber("class", change.Class.Id);
            json.WriteNumber("touches", change.Touches);
            json.WriteNumber("frees", change.Frees);
            json.WriteNumber("mayFree", change.MayFree);
            JsonAnswer.WriteOptional(json, "kernel", change.Kernel);
            if (!change.Offer.IsEmpty)
            {
                WriteOffer(json, change.Offer);
            }
        });
        json.WriteStartArray("unread");
        JsonAnswer.WriteUnread(json, "argument", answer.UnreadHosts);
        json.WriteEndArray();
    }

    /// <summary>Writes the matrix as CSV (RFC 4180): one line from each class of hosts to each.</summary>
    public static void WriteCsv(TextWriter output, PoolAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answer);
        output.WriteLine("from,to,fromHosts,toHosts,verdict,why,moved");
        foreach (PoolMove move in answer.Pool.Matrix)
        {
            string[] cells =
            [
                FormattableString.Invariant($"{move.From.Id}"), FormattableString.Invariant($"{move.To.Id}"), Hosts(move.From),
                    Hosts(move.To), CheckReport.NameOf(move.Outcome.Verdict),
                string.Join(' ', move.Outcome.Rules), move.MovesFullest ? "fullest" : "guests",
            ];
            output.WriteLine(string.Join(',', cells.Select(Quoted)));
        }
    }

    private static string Hosts(HostClass one) => string.Join(' ', one.Hosts.Select(host => host.Argument));

    // A spreadsheet would take a cell that begins like a formula for one.
    private static string Quoted(string cell)
    {
        string safe = cell.Length > 0 && cell[0] is '=' or '+' or '-' or '@' ? $"'{cell}" : cell;
        return safe.AsSpan().IndexOfAny(",\"\r\n") < 0 ? safe : $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }

    private static void WriteCaptures(Utf8JsonWriter json, PoolAnswer answer)
    {
        json.WriteStartArray("captures");
        foreach (PoolCapture capture in answer.Pool.Captures)
        {
            json.WriteStartObject();
            json.WriteString("file", capture.Name);
            json.WriteNumber("class", capture.Guest.Id);
            WriteHome(json, capture.Home);
            if (answer.ListsVerdicts)
            {
                json.WriteStartObject("verdicts");
                foreach ((PoolHost host, Verdict verdict) in answer.Pool.Classes.SelectMany(one =>
                    one.Hosts.Select(host => (host, answer.Pool.Outcome(capture.Guest, one).Verdict))))
                {
                    json.WriteString(host.Argument, CheckReport.NameOf(verdict));
                }

                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        JsonAnswer.WriteUnread(json, "file", answer.UnreadCaptures);
        json.WriteEndArray();
    }

    private static void Write(Utf8JsonWriter json, UpgradePlan plan)
    {
        json.WriteString("to", plan.Kernel);
        json.WriteString("answer", NameOf(plan.Answer));
        json.WriteBoolean("exact", plan.IsExact);
        json.WriteNumber("looked", plan.Looked);
        json.WriteNumber("touches", plan.Touches);
        json.WriteNumber("pinnedBefore", plan.Pinned);
        WriteArray(json, "steps", plan.Steps, step =>
        {
            json.WriteNumber("class", step.Id);
            WriteHosts(json, step);
            json.WriteNumber("touches", step.Hosts.Length);
        });
        WriteNumbers(json, "unchanged", plan.Unchanged.Select(one => one.Id));
        WriteArray(json, "obstacles", plan.Obstacles, obstacle =>
        {
            WriteNumbers(json, "upgraded", obstacle.Upgraded.Select(one => one.Id));
            json.WriteNumber("next", obstacle.Next.Id);
            WriteArray(json, "strands", obstacle.Strands, group => WriteGroup(json, group));
        });
    }

    /// <summary>The name of an answer in JSON.</summary>
    internal static string NameOf(UpgradeAnswer answer) => answer switch
    {
        UpgradeAnswer.Order => "order",
        UpgradeAnswer.Unknown => "unknown",
        UpgradeAnswer.None => "none",
        UpgradeAnswer.NotFound => "not-found",
        _ => throw new ArgumentOutOfRangeException(nameof(answer)),
    };

    private static void WriteGroup(Utf8JsonWriter json, GuestGroup group)
    {
        json.WriteNumber("guest", group.Guest.Id);
        WriteHome(json, group.Home);
        json.WriteNumber("count", group.Count);
        JsonAnswer.WriteStrings(json, "names", group.Names);
    }

    private static void WriteHome(Utf8JsonWriter json, HostClass? home)
    {
        if (home is not null)
        {
            json.WriteNumber("home", home.Id);
        }
    }

    private static void WriteHosts(Utf8JsonWriter json, HostClass one) =>
        JsonAnswer.WriteStrings(json, "hosts", one.Hosts.Select(host => host.Argument));

    private static void WriteOutcome(Utf8JsonWriter json, MoveOutcome outcome)
    {
        json.WriteString("verdict", CheckReport.NameOf(outcome.Verdict));
        JsonAnswer.WriteStrings(json, "why", outcome.Rules);
    }

    private static void WriteRange(Utf8JsonWriter json, string name, OfferRange range, bool withFeatures)
    {
        json.WriteStartObject(name);
        WriteOffer(json, range.Lower, withFeatures);
        if (!range.IsKnown)
        {
            json.WriteStartObject("upper");
            WriteOffer(json, range.Upper, withFeatures);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteOffer(Utf8JsonWriter json, GuestOffer offer, bool withFeatures = true)
    {
        json.WriteString("xcr0", offer.Xcr0.ToString());
        json.WriteString("xss", offer.Xss.ToString());
        if (withFeatures)
        {
            JsonAnswer.WriteStrings(json, "features", offer.FeatureNames);
        }
    }

    private static void WriteArray<T>(Utf8JsonWriter json, string name, IEnumerable<T> items, Action<T> write)
    {
        json.WriteStartArray(name);
        foreach (T item in items)
        {
            json.WriteStartObject();
            write(item);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, IEnumerable<int> numbers)
    {
        json.WriteStartArray(name);
        foreach (int number in numbers)
        {
            json.WriteNumberValue(number);
        }

        json.WriteEndArray();
    }
}
