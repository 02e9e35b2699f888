using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Xstate.Cli.Pages;

/// <summary>
/// The answer of <c>pool</c> for a page: each distinct outcome once, and the matrix as rows of their numbers, because 500 classes have a
/// quarter of a million cells. The verdicts of captures are those of their guest classes.
/// </summary>
internal static class PoolCompaction
{
    /// <summary>Classes of which the matrix is drawn; of more it is left out.</summary>
    public const int MaxClasses = 2_000;

    private const string Digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

    private static readonly string[] Verdicts = ["same", "unknown", "repairable", "differs", "refused", "dangerous"];

    /// <summary>Writes the answer.</summary>
    public static void Write(Utf8JsonWriter json, JsonElement answer)
    {
        json.WriteStartObject();
        foreach (JsonProperty field in answer.EnumerateObject())
        {
            switch (field.Name)
            {
                case "matrix" when field.Value.ValueKind == JsonValueKind.Array:
                    WriteMatrix(json, answer, field.Value);
                    break;
                case "captures" when field.Value.ValueKind == JsonValueKind.Array:
                    WriteItems(json, field, "verdicts", null);
                    break;
                case "guests" when field.Value.ValueKind == JsonValueKind.Array:
                    WriteItems(json, field, "verdicts", WriteVerdicts);
                    break;
                default:
                    field.WriteTo(json);
                    break;
            }
        }

        json.WriteEndObject();
    }

    // The items of a list, of which one field is left out or written in another way.
    private static void WriteItems(Utf8JsonWriter json, JsonProperty list, string name, Action<Utf8JsonWriter, JsonProperty>? write)
    {
        json.WriteStartArray(list.Name);
        foreach (JsonElement item in list.Value.EnumerateArray())
        {
            if (item.ValueKind != JsonValueKind.Object)
            {
                item.WriteTo(json);
                continue;
            }

            json.WriteStartObject();
            foreach (JsonProperty field in item.EnumerateObject())
            {
                if (field.Name != name)
                {
                    field.WriteTo(json);
                }
                else
                {
                    write?.Invoke(json, field);
                }
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    // A digit each: the place of the verdict in the order of the page.
    private static void WriteVerdicts(Utf8JsonWriter json, JsonProperty field)
    {
        if (field.Value.ValueKind != JsonValueKind.Array)
        {
            return;
        }

        StringBuilder digits = new();
        foreach (JsonElement verdict in field.Value.EnumerateArray())
        {
            int at = verdict.ValueKind == JsonValueKind.String ? Array.IndexOf(Verdicts, verdict.GetString()) : -1;
            digits.Append(at < 0 ? "-" : at.ToString(CultureInfo.InvariantCulture));
        }

        json.WriteString(field.Name, digits.ToString());
    }

    private static void WriteMatrix(Utf8JsonWriter json, JsonElement answer, JsonElement matrix)
    {
        Dictionary<int, int> places = [];
        if (answer.TryGetProperty("classes", out JsonElement classes) && classes.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement one in classes.EnumerateArray())
            {
                places.TryAdd(NumberOf(one, "id") ?? -1 - places.Count, places.Count);
            }
        }

        json.WriteStartObject("matrix");
        if (places.Count > MaxClasses)
        {
            json.WriteNumber("omitted", places.Count);
            json.WriteEndObject();
            return;
        }

        // Number 0 is a cell of which nothing is said.
        Dictionary<string, int> numbers = new(StringComparer.Ordinal) { [""] = 0 };
        List<JsonElement?> outcomes = [null];
        int[] cells = new int[places.Count * places.Count];
        foreach (JsonElement move in matrix.EnumerateArray())
        {
            if (NumberOf(move, "from") is { } from && NumberOf(move, "to") is { } to
                && places.TryGetValue(from, out int row) && places.TryGetValue(to, out int column))
            {
                string key = $"{Raw(move, "verdict")} {Raw(move, "moved")} {Raw(move, "why")}";
                if (!numbers.TryGetValue(key, out int number))
                {
                    number = numbers[key] = outcomes.Count;
                    outcomes.Add(move);
                }

                cells[row * places.Count + column] = number;
            }
        }

        WriteOutcomes(json, outcomes);
        WriteRows(json, cells, places.Count, outcomes.Count);
        json.WriteEndObject();
    }

    private static void WriteOutcomes(Utf8JsonWriter json, List<JsonElement?> outcomes)
    {
        json.WriteStartArray("outcomes");
        foreach (JsonElement? outcome in outcomes)
        {
            json.WriteStartObject();
            foreach (string name in outcome is null ? [] : new[] { "verdict", "moved", "why" })
            {
                if (outcome!.Value.TryGetProperty(name, out JsonElement value))
                {
                    json.WritePropertyName(name);
                    value.WriteTo(json);
                }
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteRows(Utf8JsonWriter json, int[] cells, int columns, int outcomes)
    {
        int width = 1;
        for (long reach = Digits.Length; reach < outcomes; reach *= Digits.Length)
        {
            width++;
        }

        json.WriteNumber("width", width);
        json.WriteStartArray("rows");
        char[] row = new char[columns * width];
        for (int start = 0; start < cells.Length; start += columns)
        {
            for (int i = 0; i < columns; i++)
            {
                int rest = cells[start + i];
                for (int digit = width - 1; digit >= 0; digit--)
                {
                    row[i * width + digit] = Digits[rest % Digits.Length];
                    rest /= Digits.Length;
                }
            }

            json.WriteStringValue(row);
        }

        json.WriteEndArray();
    }

    private static int? NumberOf(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value)
            && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) ? number : null;

    private static string Raw(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) ? value.GetRawText() : "";
}
