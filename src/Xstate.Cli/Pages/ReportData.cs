using System.Buffers;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Cli.Help;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.WorldSwitch;

namespace Xstate.Cli.Pages;

/// <summary>The data of a report page: the answers, and of the program's tables what explains them.</summary>
internal static class ReportData
{
    private static readonly string[] KernelVerbs = ["check", "fix", "pool", "rules", "host", "conform"];

    /// <summary>Writes it as JSON that can stand within a page.</summary>
    public static ReadOnlyMemory<byte> Write(string title, IReadOnlyList<ReportPart> parts)
    {
        ArrayBufferWriter<byte> bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            Mentions mentions = new();
            json.WriteStartObject();
            json.WriteString("title", title);
            json.WriteString("madeBy", $"{App.Name} {VersionText.Number}");
            json.WriteStartArray("parts");
            foreach (ReportPart part in parts)
            {
                WritePart(json, part);
                mentions.Add(part.Answer);
            }

            json.WriteEndArray();
            WriteRules(json, mentions);
            WriteDifferences(json, mentions);
            if (parts.Any(part => KernelVerbs.Contains(part.Verb)))
            {
                KernelTimeline.Write(json, mentions.Kernels);
            }

            WriteFields(json);
            WriteWorldSwitch(json, parts.Any(part => part.Verb == "explore"));
            json.WriteEndObject();
        }

        return bytes.WrittenMemory;
    }

    private static void WritePart(Utf8JsonWriter json, ReportPart part)
    {
        json.WriteStartObject();
        if (part.RepairedFor is { } host)
        {
            json.WriteString("role", "repaired");
            json.WriteString("on", host);
        }

        if (part.GuestComponents.Any(set => set is not null))
        {
            json.WriteStartArray("guest");
            foreach (string? set in part.GuestComponents)
            {
                json.WriteStringValue(set);
            }

            json.WriteEndArray();
        }

        json.WritePropertyName("answer");
        if (part.Verb == "pool")
        {
            PoolCompaction.Write(json, part.Answer);
        }
        else
        {
            part.Answer.WriteTo(json);
        }

        json.WriteEndObject();
    }

    private static void WriteRules(Utf8JsonWriter json, Mentions mentions)
    {
        json.WriteStartObject("rules");
        foreach (Rule rule in mentions.Rules)
        {
            json.WriteStartObject(rule.Id);
            json.WriteString("title", rule.Title);
            json.WriteString("severity", rule.Severity.ToString().ToLowerInvariant());
            json.WriteString("explanation", rule.Explanation);
            json.WriteString("mend", rule.Mend);
            json.WriteString("source", rule.Source);
            WriteIds(json, "decidedBy", KernelDifference.Deciding(rule).Select(difference => difference.Id));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteDifferences(Utf8JsonWriter json, Mentions mentions)
    {
        json.WriteStartObject("differences");
        foreach (KernelDifference difference in mentions.Differences)
        {
            json.WriteStartObject(difference.Id);
            json.WriteString("affected", difference.Affected);
            json.WriteString("effect", difference.Effect);
            json.WriteString("probe", difference.Probe);
            json.WriteString("source", difference.Source);
            WriteIds(json, "decides", difference.Decides.Select(rule => rule.Id));
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteIds(Utf8JsonWriter json, string name, IEnumerable<string> ids)
    {
        json.WriteStartArray(name);
        foreach (string id in ids)
        {
            json.WriteStringValue(id);
        }

        json.WriteEndArray();
    }

    // Flags and fields of control registers, from the rows that the terminal prints them from.
    private static void WriteFields(Utf8JsonWriter json)
    {
        json.WriteStartObject("fields");
        foreach (string register in new[] { "mxcsr", "fcw", "fsw", "pkru" })
        {
            json.WriteStartArray(register);
            foreach (RegisterField field in RegisterFields.Of(register))
            {
                json.WriteStartObject();
                json.WriteString("name", field.Name);
                json.WriteNumber("shift", field.Shift);
                json.WriteNumber("width", field.Width);
                if (!field.Values.IsEmpty)
                {
                    WriteIds(json, "values", field.Values);
                }

                json.WriteEndObject();
            }

            json.WriteEndArray();
        }

        json.WriteEndObject();
    }

    private static void WriteWorldSwitch(Utf8JsonWriter json, bool isWanted)
    {
        json.WriteStartObject("invariants");
        foreach (InvariantInfo invariant in isWanted ? Invariants.All : [])
        {
            json.WriteStartObject(invariant.Id);
            json.WriteString("statement", invariant.Statement);
            json.WriteString("violated", invariant.Violated);
            json.WriteEndObject();
        }

        json.WriteEndObject();
        json.WriteStartObject("protocols");
        foreach (SwitchProtocol protocol in isWanted ? SwitchProtocols.All : [])
        {
            json.WriteString(protocol.Id, protocol.Summary);
        }

        json.WriteEndObject();
    }
}
