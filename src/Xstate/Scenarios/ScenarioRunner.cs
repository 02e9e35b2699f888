using System.Buffers;
using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Xstate.Scenarios;

/// <summary>Runs scenarios and writes one line of JSON for each.</summary>
internal static class ScenarioRunner
{
    /// <summary>Bytes of one scenario's answer, as many as a scenario may have characters.</summary>
    public const int MaxAnswer = ScenarioReader.MaxLength;

    /// <summary>Runs one scenario on fresh objects. What each step may execute is bounded.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="output">Where the line goes; not closed.</param>
    /// <exception cref="ScenarioException">Its answer is longer than <see cref="MaxAnswer"/>; nothing was written.</exception>
    public static void Run(Scenario scenario, ScenarioBackend backend, Stream output) => Run(scenario, backend, output, null);

    /// <summary>Runs one scenario on fresh objects, within what all scenarios of its file may use.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="output">Where the line goes; not closed.</param>
    /// <param name="budget">The file's budget, of which this takes its part; null for none.</param>
    /// <exception cref="ScenarioException">
    /// The budget is used up, or the answer is longer than <see cref="MaxAnswer"/>; nothing was written.
    /// </exception>
    public static void Run(Scenario scenario, ScenarioBackend backend, Stream output, ScenarioBudget? budget)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(output);
        budget?.BeginScenario();

        // Not into the output: half a line is no answer.
        ArrayBufferWriter<byte> answer = new();
        using (Utf8JsonWriter json = new(answer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("name", scenario.Name);
            if (scenario.Needs.FirstOrDefault(need => !ScenarioNeeds.IsMet(need, backend.Cpuid)) is { } missing)
            {
                json.WriteString("skipped", missing);
            }
            else
            {
                WriteSteps(scenario, backend, json, budget);
            }

            json.WriteEndObject();
        }

        output.Write(answer.WrittenSpan);
        output.WriteByte((byte)'\n');
        output.Flush();
    }

    private static void WriteSteps(Scenario scenario, ScenarioBackend backend, Utf8JsonWriter json, ScenarioBudget? budget)
    {
        using ScenarioRun run = new(backend, scenario.Steps.Any(step => step.Op == "init"), budget);
        json.WriteStartArray("steps");
        for (int i = 0; i < scenario.Steps.Length; i++)
        {
            try
            {
                budget?.BeginStep();
                scenario.Steps[i].Perform(run).Write(json, i, scenario.Steps[i].Op);
                budget?.CheckTime();
            }
            catch (ScenarioBudgetException error)
            {
                throw Error(error.Message);
            }

            if (json.BytesCommitted + json.BytesPending > MaxAnswer)
            {
                throw Error($"the answer of a scenario has at most {MaxAnswer} bytes");
            }

            ScenarioException Error(string problem) =>
                new(scenario.Line, string.Create(CultureInfo.InvariantCulture, $"steps[{i}]"), problem);
        }

        json.WriteEndArray();
    }
}
