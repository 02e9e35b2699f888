using System.Text.Encodings.Web;
using System.Text.Json;

namespace Xstate.Scenarios;

/// <summary>Runs scenarios and writes one line of JSON for each.</summary>
public static class ScenarioRunner
{
    /// <summary>Runs one scenario on fresh objects.</summary>
    /// <param name="scenario">The scenario.</param>
    /// <param name="backend">What it runs on.</param>
    /// <param name="output">Where the line goes; not closed.</param>
    public static void Run(Scenario scenario, ScenarioBackend backend, Stream output)
    {
        ArgumentNullException.ThrowIfNull(scenario);
        ArgumentNullException.ThrowIfNull(backend);
        ArgumentNullException.ThrowIfNull(output);
        using (Utf8JsonWriter json = new(output, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteString("name", scenario.Name);
            if (scenario.Needs.FirstOrDefault(need => !ScenarioNeeds.IsMet(need, backend.Cpuid)) is { } missing)
            {
                json.WriteString("skipped", missing);
            }
            else
            {
                WriteSteps(scenario, backend, json);
            }

            json.WriteEndObject();
        }

        output.WriteByte((byte)'\n');
        output.Flush();
    }

    private static void WriteSteps(Scenario scenario, ScenarioBackend backend, Utf8JsonWriter json)
    {
        using ScenarioRun run = new(backend, scenario.Steps.Any(step => step.Op == "init"));
        json.WriteStartArray("steps");
        for (int i = 0; i < scenario.Steps.Length; i++)
        {
            scenario.Steps[i].Perform(run).Write(json, i, scenario.Steps[i].Op);
        }

        json.WriteEndArray();
    }
}
