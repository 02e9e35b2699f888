using System.Text.Json;

namespace Xstate.Page.Tests;

/// <summary>The answer of <c>pool</c> for as many classes of hosts, each with a host, and of guests as a large fleet has.</summary>
internal static class LargePool
{
    private static readonly string[] Verdicts = ["same", "refused", "differs", "repairable", "unknown"];
    private static readonly string[] Reasons = ["XS0101", "XS0202", "XS0506", "XS0508", "KVM-SET-STRICT-CPUID"];

    /// <summary>The answer as JSON.</summary>
    public static byte[] Write(int count)
    {
        SplitMix64 random = new(500);
        using MemoryStream bytes = new();
        using (Utf8JsonWriter json = new(bytes))
        {
            json.WriteStartObject();
            json.WriteNumber("schemaVersion", 1);
            json.WriteString("verb", "pool");
            json.WriteStartArray("classes");
            for (int i = 0; i < count; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("id", i);
                json.WriteStartArray("hosts");
                json.WriteStringValue($"fleet/rack-{i / 20:000}/host-{i:0000}.json");
                json.WriteEndArray();
                json.WriteString("kernel", $"linux-6.{i % 12}.{i}");
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("matrix");
            for (int i = 0; i < count * count; i++)
            {
                ulong dice = random.Next();
                json.WriteStartObject();
                json.WriteNumber("from", i / count);
                json.WriteNumber("to", i % count);
                json.WriteString("verdict", Verdicts[dice % 5]);
                json.WriteStartArray("why");
                for (int reason = 0; reason < (int)(dice / 5 % 4); reason++)
                {
                    json.WriteStringValue(Reasons[(dice / 20 + (ulong)reason) % 5]);
                }

                json.WriteEndArray();
                json.WriteString("moved", dice / 100 % 2 == 0 ? "guests" : "fullest");
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("guests");
            for (int i = 0; i < count; i++)
            {
                json.WriteStartObject();
                json.WriteNumber("id", i);
                json.WriteStartArray("homes");
                json.WriteEndArray();
                json.WriteStartArray("verdicts");
                for (int j = 0; j < count; j++)
                {
                    json.WriteStringValue(Verdicts[random.Next() % 5]);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return bytes.ToArray();
    }
}
