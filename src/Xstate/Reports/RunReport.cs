using System.Globalization;
using System.Text;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Scenarios;

namespace Xstate.Reports;

/// <summary>The answers of scenarios: together as one JSON answer, or a readable line for each step.</summary>
internal static class RunReport
{
    private const int MaxField = 40;
    private const int AnswerColumn = 9;
    private const int MaxPlaces = 6;
    private const int MaxBytesOfPlace = 16;
    private const int MaxGap = 4;

    /// <summary>Writes one JSON answer.</summary>
    /// <param name="output">Where to; not closed.</param>
    /// <param name="answers">The line of answers of each scenario (<see cref="ScenarioRunner"/>).</param>
    public static void WriteJson(Stream output, IEnumerable<ReadOnlyMemory<byte>> answers)
    {
        ArgumentNullException.ThrowIfNull(answers);
        JsonAnswer.Write(output, "run", json =>
        {
            json.WriteStartArray("scenarios");
            foreach (ReadOnlyMemory<byte> line in answers)
            {
                json.WriteRawValue(line.Span.TrimEnd((byte)'\n'));
            }

            json.WriteEndArray();
        });
    }

    /// <summary>
    /// Writes text for people: an image is shown as what differs from the image of its kind before it, the first one as what is not zero.
    /// </summary>
    /// <param name="output">Where to.</param>
    /// <param name="scenario">The scenario.</param>
    /// <param name="answers">Its line of answers.</param>
    public static void WriteText(TextWriter output, Scenario scenario, ReadOnlyMemory<byte> answers)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(scenario);
        using JsonDocument line = JsonDocument.Parse(answers);
        using JsonDocument asked = JsonDocument.Parse(scenario.Text);
        if (line.RootElement.TryGetProperty("skipped", out JsonElement missing))
        {
            output.WriteLine($"{Plain(scenario.Name)}: skipped, needs {Plain(missing.GetString()!)}");
            return;
        }

        output.MarkLine("", TextMark.Heading, Plain(scenario.Name));
        Dictionary<string, (int Step, byte[] Bytes)> images = [];
        foreach ((JsonElement step, JsonElement input) in line.RootElement.GetProperty("steps").EnumerateArray()
            .Zip(asked.RootElement.GetProperty("steps").EnumerateArray()))
        {
            int number = step.GetProperty("step").GetInt32();
            output.Write(string.Create(CultureInfo.InvariantCulture, $"  {number,3}  "));
            output.GoOnAt(AnswerColumn);
            output.WriteLine($"{Asked(input)}: {Answered(step, input, number, images)}");
        }
    }

    private static string Asked(JsonElement input)
    {
        StringBuilder text = new(input.GetProperty("op").GetString());
        foreach (JsonProperty field in input.EnumerateObject().Where(field => field.Name != "op"))
        {
            string value = field.Value.ValueKind == JsonValueKind.String ? field.Value.GetString()! : field.Value.GetRawText();
            text.Append(CultureInfo.InvariantCulture, $" {Plain(field.Name)}={Short(Plain(value))}");
        }

        return text.ToString();
    }

    private static string Answered(JsonElement step, JsonElement input, int number, Dictionary<string, (int Step, byte[] Bytes)> images)
    {
        List<string> parts = [];
        JsonElement errno = step.GetProperty("errno");
        if (errno.ValueKind == JsonValueKind.String)
        {
            parts.Add(errno.GetString()!);
        }

        if (step.TryGetProperty("fault", out JsonElement fault))
        {
            parts.Add(Plain(fault.GetString()!));
        }

        if (step.TryGetProperty("unsupported", out _))
        {
            parts.Add("unsupported");
        }

        if (step.TryGetProperty("result", out JsonElement result))
        {
            foreach (JsonProperty field in result.EnumerateObject())
            {
                parts.Add(field.Name == "hex" ? Image(field.Value.GetString()!, KindOf(step, input), number, images) : Shown(field));
            }
        }

        if (step.TryGetProperty("why", out JsonElement why))
        {
            string rule = why.TryGetProperty("rule", out JsonElement id) ? $"{id.GetString()}: " : "";
            parts.Add($"({rule}{Plain(why.GetProperty("message").GetString()!)})");
        }

        return parts.Count == 0 ? "ok" : string.Join(' ', parts);
    }

    // Images of one virtual CPU, or of one register set of the child, follow one another.
    private static string KindOf(JsonElement step, JsonElement input)
    {
        string op = step.GetProperty("op").GetString()!;
        if (op.StartsWith("get_xsave", StringComparison.Ordinal))
        {
            return $"vcpu {(input.TryGetProperty("vcpu", out JsonElement vcpu) ? vcpu.GetRawText() : "0")}";
        }

        return input.TryGetProperty("regset", out JsonElement set) ? set.GetString()! : "xstate";
    }

    private static string Shown(JsonProperty field) => field.Value.ValueKind switch
    {
        JsonValueKind.Array => string.Create(CultureInfo.InvariantCulture,
            $"{field.Value.GetArrayLength()} {field.Name}{OfFew(field.Value)}"),
        JsonValueKind.String => $"{field.Name} {Short(Plain(field.Value.GetString()!))}",
        JsonValueKind.Object => $"{field.Name} {{{string.Join(", ", field.Value.EnumerateObject().Select(Shown))}}}",
        _ => $"{field.Name} {field.Value.GetRawText()}",
    };

    private static string OfFew(JsonElement entries)
    {
        const int Few = 2;
        return entries.GetArrayLength() is > 0 and <= Few
            ? ": " + Plain(string.Join(", ", entries.EnumerateArray().Select(entry => entry.GetRawText()))) : "";
    }

    private static string Image(string hex, string kind, int number, Dictionary<string, (int Step, byte[] Bytes)> images)
    {
        byte[] bytes = Convert.FromHexString(hex);
        bool hasBefore = images.TryGetValue(kind, out (int Step, byte[] Bytes) before) && before.Bytes.Length == bytes.Length;
        images[kind] = (number, bytes);
        byte[] reference = hasBefore ? before.Bytes : new byte[bytes.Length];
        List<(int From, int To)> places = [.. Places(reference, bytes)];
        string header = bytes.Length >= XsaveFormat.ExtendedOffset ? $"XSTATE_BV {new XsaveArea(bytes).XstateBv}, " : "";
        if (places.Count == 0)
        {
            return hasBefore ? string.Create(CultureInfo.InvariantCulture, $"{header}the same as in step {before.Step}")
                : $"{header}all zero";
        }

        string what = hasBefore ? string.Create(CultureInfo.InvariantCulture, $"from step {before.Step}: ") : "";
        string shown = string.Join("; ", places.Take(MaxPlaces).Select(place => Place(place, hasBefore ? reference : null, bytes)));
        return header + what + shown + (places.Count > MaxPlaces
            ? string.Create(CultureInfo.InvariantCulture, $"; and {places.Count - MaxPlaces} more places") : "");
    }

    private static string Place((int From, int To) place, byte[]? before, byte[] now)
    {
        int shown = Math.Min(place.To - place.From, MaxBytesOfPlace);
        string rest = shown == place.To - place.From
            ? "" : string.Create(CultureInfo.InvariantCulture, $"… ({place.To - place.From} bytes)");
        string old = before is null ? "" : $"{Convert.ToHexStringLower(before, place.From, shown)} → ";
        return string.Create(CultureInfo.InvariantCulture, $"{place.From}: {old}{Convert.ToHexStringLower(now, place.From, shown)}{rest}");
    }

    // Ranges of bytes that differ, joined where little lies between them.
    private static IEnumerable<(int From, int To)> Places(byte[] before, byte[] now)
    {
        int from = -1;
        int to = 0;
        for (int i = 0; i < now.Length; i++)
        {
            if (before[i] == now[i])
            {
                continue;
            }

            if (from >= 0 && i - to > MaxGap)
            {
                yield return (from, to);
                from = i;
            }

            from = from < 0 ? i : from;
            to = i + 1;
        }

        if (from >= 0)
        {
            yield return (from, to);
        }
    }

    private static string Short(string text) => text.Length <= MaxField
        ? text : string.Create(CultureInfo.InvariantCulture, $"{text.AsSpan(0, MaxField)}… ({text.Length} characters)");

    // A scenario is a file of somebody's: what would steer a terminal is shown as its number.
    private static string Plain(string text)
    {
        if (!text.Any(char.IsControl))
        {
            return text;
        }

        StringBuilder plain = new();
        foreach (char c in text)
        {
            _ = char.IsControl(c) ? plain.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}") : plain.Append(c);
        }

        return plain.ToString();
    }
}
