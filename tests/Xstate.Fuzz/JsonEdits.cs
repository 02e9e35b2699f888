using System.Text.Json;
using System.Text.Json.Nodes;

namespace Xstate.Fuzz;

/// <summary>
/// Damage that leaves JSON what it is: one value becomes another that could stand there, goes, moves or comes twice. Most random bytes
/// would only show that JSON is read strictly.
/// </summary>
internal static class JsonEdits
{
    private static readonly string[] Strings =
    [
        "", "0x0", "0xffffffffffffffff", "0x10000000000000000", "00", "0g", "linux-6.12", "\u001b]0;P\u0007\n  SAME", "\u009b31m\u202e",
            "é漢😀", "../../../etc/passwd", "/dev/zero", "sse", "pkru",
        "KVM-SET-STRICT-CPUID", "0xd.0.eax", "GenuineIntel", "no such thing",
    ];

    /// <summary>The document with one to three values changed; null when it is none.</summary>
    public static byte[]? Apply(ref SplitMix64 random, byte[] file)
    {
        JsonNode? root;
        try
        {
            root = JsonNode.Parse(file);
        }
        catch (Exception error) when (error is JsonException or ArgumentException)
        {
            return null;
        }

        for (int edits = 1 + random.Below(3); edits > 0 && root is not null; edits--)
        {
            JsonNode? place = root;
            while (Inner(place) is { Length: > 0 } inner && (ReferenceEquals(place, root) || !random.OneIn(4)))
            {
                place = inner[random.Below(inner.Length)];
            }

            if (place?.Parent is JsonObject owner)
            {
                Change(ref random, owner, place);
            }
            else if (place?.Parent is JsonArray list)
            {
                Change(ref random, list, place);
            }
        }

        return root is null ? null : JsonSerializer.SerializeToUtf8Bytes(root);
    }

    private static JsonNode[] Inner(JsonNode? node) => node switch
    {
        JsonObject owner => [.. owner.Select(member => member.Value).OfType<JsonNode>()],
        JsonArray list => [.. list.OfType<JsonNode>()],
        _ => [],
    };

    private static void Change(ref SplitMix64 random, JsonObject owner, JsonNode place)
    {
        string name = place.GetPropertyName();
        switch (random.Below(6))
        {
            case 0:
                owner.Remove(name);
                break;
            case 1:
                owner[random.Pick<string>(Strings)] = place.DeepClone();
                break;
            default:
                owner[name] = Other(ref random, place);
                break;
        }
    }

    private static void Change(ref SplitMix64 random, JsonArray list, JsonNode place)
    {
        int at = place.GetElementIndex();
        switch (random.Below(6))
        {
            case 0:
                list.RemoveAt(at);
                break;
            case 1:
                list.Insert(random.Below(list.Count + 1), place.DeepClone());
                break;
            case 2:
                for (int copies = random.Below(300); copies > 0; copies--)
                {
                    list.Add(place.DeepClone());
                }

                break;
            default:
                list[at] = Other(ref random, place);
                break;
        }
    }

    private static JsonNode? Other(ref SplitMix64 random, JsonNode place)
    {
        if (place is JsonValue value && value.GetValueKind() == JsonValueKind.String && !random.OneIn(3))
        {
            string text = value.GetValue<string>();
            return random.Below(4) switch
            {
                0 when text.Length > 0 => Replaced(ref random, text),
                1 => text.Length > 4 ? text[..^2] : text + "00",
                2 => $"0x{random.Next() >> random.Below(64):x}",
                _ => random.Pick<string>(Strings),
            };
        }

        return random.Below(6) switch
        {
            0 => random.Below(10),
            1 => (long)(random.Next() >> random.Below(63)),
            2 => random.Pick<string>(Strings),
            3 => null,
            4 => new JsonArray(),
            _ => random.Pick<long>(0, 1, -1, 4096, 11008, int.MaxValue, uint.MaxValue, 1L << 53),
        };
    }

    private static string Replaced(ref SplitMix64 random, string text)
    {
        char[] letters = text.ToCharArray();
        letters[random.Below(letters.Length)] = random.Pick<char>('0', '1', 'f', '7', '8', 'e');
        return new string(letters);
    }
}
