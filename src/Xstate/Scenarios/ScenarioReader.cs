using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Xstate.Guests;

namespace Xstate.Scenarios;

/// <summary>Reads scenarios from JSON Lines or from one object that spans the file, one at a time and strictly.</summary>
internal static class ScenarioReader
{
    /// <summary>Characters of one scenario; an XSAVE area with AMX has 22,000 as hexadecimal digits.</summary>
    public const int MaxLength = 64 << 20;

    /// <summary>Values in one scenario: names with what they stand for, items, and what they are in.</summary>
    public const int MaxValues = 1 << 20;

    /// <summary>Steps of one scenario.</summary>
    public const int MaxSteps = 1 << 16;

    /// <summary>The scenarios of a text, read as they are asked for.</summary>
    /// <param name="input">The text.</param>
    /// <param name="assembler">For guest code that is given as instructions; without one only machine code can be read.</param>
    /// <exception cref="ScenarioException">An unknown step or field, a value of another kind, code that cannot be assembled, or no
    /// JSON.</exception>
    public static IEnumerable<Scenario> Read(TextReader input, IGuestAssembler? assembler = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        ScenarioLines lines = new(input, MaxLength);
        bool first = true;
        while (lines.Next() is { } line)
        {
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            int start = lines.Number;
            if (first && !IsComplete(line))
            {
                line = $"{line}\n{lines.Rest(line.Length)}";
            }

            first = false;
            ScenarioValue value = ScenarioValue.Parse(Encoding.UTF8.GetBytes(line), start, MaxValues);
            yield return Parse(value, assembler) with { Text = line, Line = start };
        }
    }

    private static bool IsComplete(string line)
    {
        Utf8JsonReader reader = new(Encoding.UTF8.GetBytes(line), isFinalBlock: false,
            new JsonReaderState(new JsonReaderOptions { MaxDepth = 16 }));
        try
        {
            JsonTokenType last = JsonTokenType.None;
            while (reader.Read())
            {
                last = reader.TokenType;
            }

            return reader.CurrentDepth == 0 && last == JsonTokenType.EndObject;
        }
        catch (JsonException)
        {
            // Reported, with its place, by the reader proper.
            return true;
        }
    }

    private static Scenario Parse(ScenarioValue value, IGuestAssembler? assembler)
    {
        string name = value.Require("name").Text();
        string? note = value.Take("note")?.Text();
        ImmutableArray<string> needs = [.. (value.Take("needs")?.Items ?? []).Select(ScenarioNeeds.Read)];
        ScenarioValue listed = value.Require("steps");
        ImmutableArray<ScenarioStep> steps = listed.Items.Count <= MaxSteps
            ? [.. listed.Items.Select(step => ParseStep(step, assembler))]
            : throw listed.Error($"at most {MaxSteps} steps are expected");
        value.End();
        return new Scenario(name, note, needs, steps);
    }

    private static ScenarioStep ParseStep(ScenarioValue value, IGuestAssembler? assembler)
    {
        ScenarioValue op = value.Require("op");
        ScenarioStep step = KvmSteps.Parse(op.Text(), value) ?? ProcessSteps.Parse(op.Text(), value)
            ?? GuestSteps.Parse(op.Text(), value, assembler)
            ?? throw op.Error($"there is no step {Quotation.Cut(op.Text())}");
        value.End();
        return step;
    }
}
