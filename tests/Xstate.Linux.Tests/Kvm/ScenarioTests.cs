using Xstate.Linux.Kvm;
using Xstate.Scenarios;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>The same script on this machine's kernel and on the model of it.</summary>
public class ScenarioTests
{
    [Theory]
    [InlineData("case-5-trim")]
    [InlineData("case-4-init")]
    public void Kernel_and_model_answer_the_calls_of_a_ready_scenario_alike(string file)
    {
        using KvmDevice device = LocalKvm.Open();
        ModelBackend model = new(LocalKvm.Host);
        int compared = 0;
        using StreamReader input = File.OpenText(Path.Combine(AppContext.BaseDirectory, "scenarios", file + ".json"));
        foreach (Scenario scenario in ScenarioReader.Read(input))
        {
            // What only one of them can do, and the reasons that only a model knows, are left out of the comparison.
            string[] real = Steps(scenario, new KernelScenarioBackend(device));
            string[] modelled = Steps(scenario, model);
            Assert.Equal(modelled.Length, real.Length);
            for (int i = 0; i < real.Length && !real[i].Contains("\"unsupported\":true", StringComparison.Ordinal); i++)
            {
                Assert.Equal(WithoutWhy(modelled[i]), real[i]);
                compared++;
            }
        }

        Assert.SkipWhen(compared == 0, "this machine lacks what the scenario needs");
        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} steps of {file} compared");
    }

    private static string[] Steps(Scenario scenario, ScenarioBackend backend)
    {
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, backend, output);
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(output.ToArray());
        return json.RootElement.TryGetProperty("steps", out System.Text.Json.JsonElement steps) ? [.. steps.EnumerateArray().Select(step => step.GetRawText())] : [];
    }

    private static string WithoutWhy(string step)
    {
        int why = step.IndexOf(",\"why\":", StringComparison.Ordinal);
        return why < 0 ? step : step[..why] + "}";
    }
}
