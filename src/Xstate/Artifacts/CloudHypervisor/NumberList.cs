using System.Text.Json;

namespace Xstate.Artifacts.CloudHypervisor;

/// <summary>One number and its place in the text.</summary>
/// <param name="Value">Its value.</param>
/// <param name="Start">First digit.</param>
/// <param name="End">Behind the last.</param>
internal readonly record struct Number(ulong Value, int Start, int End)
{
    /// <summary>The number that a reader stands on.</summary>
    public static Number Of(in Utf8JsonReader reader, ulong max, EmbeddedText text)
    {
        int start = (int)reader.TokenStartIndex;
        return reader.TokenType == JsonTokenType.Number && reader.TryGetUInt64(out ulong value) && value <= max
            ? new Number(value, start, start + reader.ValueSpan.Length)
            : throw text.Malformed(start, $"{reader.TokenType}", $"a number from 0 to {max}");
    }
}

/// <summary>Numbers of a text with the places where they stand, so that one can be changed without touching the others.</summary>
internal sealed class NumberList
{
    private readonly List<Number> _numbers = [];

    /// <summary>How many.</summary>
    public int Count => _numbers.Count;

    /// <summary>One of them.</summary>
    public Number this[int index] => _numbers[index];

    /// <summary>Adds every number of the list that a reader stands on, and of the lists in it.</summary>
    public void AddAll(ref Utf8JsonReader reader, ulong max, int limit, EmbeddedText text)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            throw text.Malformed(reader.TokenStartIndex, $"{reader.TokenType}", "a list of numbers");
        }

        int depth = reader.CurrentDepth;
        while (reader.Read() && (reader.TokenType != JsonTokenType.EndArray || reader.CurrentDepth != depth))
        {
            if (reader.TokenType is JsonTokenType.StartArray or JsonTokenType.EndArray)
            {
                continue;
            }

            if (Count == limit)
            {
                throw text.Malformed(reader.TokenStartIndex, "one more number", $"at most {limit}");
            }

            _numbers.Add(Number.Of(reader, max, text));
        }
    }
}
