using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Xstate.Guests;

namespace Xstate.Scenarios;

/// <summary>Reads scenarios from JSON Lines or from one object that spans the file, one at a time and strictly.</summary>
public static class ScenarioReader
{
    private const int MaxLength = 64 << 20;

    /// <summary>The scenarios of a text, read as they are asked for.</summary>
    /// <param name="input">The text.</param>
    /// <param name="assembler">For guest code that is given as instructions; without one only machine code can be read.</param>
    /// <exception cref="ScenarioException">An unknown step or field, a value of another kind, code that cannot be assembled, or no JSON.</exception>
    public static IEnumerable<Scenario> Read(TextReader input, IGuestAssembler? assembler = null)
    {
        ArgumentNullException.ThrowIfNull(input);
        int number = 0;
        bool first = true;
        while (input.ReadLine() is { } line)
        {
            number++;
            if (string.IsNullOrWhiteSpace(line))
            {
                continue;
            }

            int start = number;
            if (first && !IsComplete(line))
            {
                line = $"{line}\n{input.ReadToEnd()}";
            }

            first = false;
            yield return line.Length <= MaxLength
                ? Parse(ScenarioValue.Parse(Encoding.UTF8.GetBytes(line), start), assembler) with { Text = line }
                : throw new ScenarioException(start, "", $"a scenario has at most {MaxLength} characters");
        }
    }

    private static bool IsComplete(string line)
    {
        Utf8JsonReader reader = new(Encoding.UTF8.GetBytes(line), isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = 16 }));
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
        ImmutableArray<ScenarioStep> steps = [.. value.Require("steps").Items.Select(step => ParseStep(step, assembler))];
        value.End();
        return new Scenario(name, note, needs, steps);
    }

    private static ScenarioStep ParseStep(ScenarioValue value, IGuestAssembler? assembler)
    {
        ScenarioValue op = value.Require("op");
        ScenarioStep step = KvmSteps.Parse(op.Text(), value) ?? ProcessSteps.Parse(op.Text(), value) ?? GuestSteps.Parse(op.Text(), value, assembler)
            ?? throw op.Error($"there is no step {op.Text()}");
        value.End();
        return step;
    }
}
