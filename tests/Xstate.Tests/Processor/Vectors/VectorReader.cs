using System.Globalization;
using System.Text.Json;

namespace Xstate.Tests.Processor.Vectors;

/// <summary>Reads the fields of a vector, whose numbers are JSON numbers or hexadecimal strings.</summary>
internal static class VectorReader
{
    public static JsonElement? Find(this JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement found) && found.ValueKind != JsonValueKind.Null ? found : null;

    public static ulong Number(this JsonElement element, string name, ulong otherwise = 0) =>
        element.Find(name) is { } found ? Number(found) : otherwise;

    public static string Text(this JsonElement element, string name, string otherwise = "") =>
        element.Find(name)?.GetString() ?? otherwise;

    public static ulong Number(JsonElement value)
    {
        if (value.ValueKind == JsonValueKind.Number)
        {
            return value.GetUInt64();
        }

        string text = value.GetString()!;
        return text.StartsWith("0x", StringComparison.Ordinal)
            ? ulong.Parse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            : ulong.Parse(text, CultureInfo.InvariantCulture);
    }

    /// <summary>Inclusive intervals as a mask over bytes.</summary>
    public static bool[] Intervals(JsonElement intervals, int length)
    {
        bool[] mask = new bool[length];
        foreach (JsonElement interval in intervals.EnumerateArray())
        {
            for (int i = interval[0].GetInt32(); i <= interval[1].GetInt32(); i++)
            {
                mask[i] = true;
            }
        }

        return mask;
    }
}
