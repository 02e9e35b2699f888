using Xstate.Architecture;
using Xstate.Cli.GuestCode;
using Xstate.Linux.Kvm;
using Xstate.Scenarios;

namespace Xstate.Linux.Tests.Kvm;

/// <summary>The same script on this machine's kernel and on the model of it.</summary>
public class ScenarioTests
{
    public static TheoryData<string> Files =>
        [.. Directory.EnumerateFiles(Path.Combine(AppContext.BaseDirectory, "scenarios"), "*.json")
            .Select(path => Path.GetFileNameWithoutExtension(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Kernel_and_model_answer_every_step_of_a_ready_scenario_alike(string file)
    {
        using KvmDevice device = LocalKvm.Open();
        ModelBackend model = new(LocalKvm.Host, new IcedDecoder());
        int compared = 0;
        int notHere = 0;
        using StreamReader input = File.OpenText(Path.Combine(AppContext.BaseDirectory, "scenarios", file + ".json"));
        foreach (Scenario scenario in ScenarioReader.Read(input, new IcedAssembler()))
        {
            if (scenario.AsksForPermission)
            {
                // For a process of its own, which the command gives it.
                continue;
            }

            // The reasons that only a model knows are left out; what the kernel here cannot do ends the comparison of a scenario.
            string[] real = Steps(scenario, new KernelScenarioBackend(device));
            string[] modelled = Steps(scenario, model);
            Assert.Equal(modelled.Length, real.Length);
            for (int i = 0; i < real.Length; i++)
            {
                if (real[i].Contains("\"unsupported\":true", StringComparison.Ordinal))
                {
                    notHere += real.Length - i;
                    break;
                }

                Assert.True(WithoutMxcsrMask(WithoutWhy(modelled[i])) == WithoutMxcsrMask(real[i]),
                    $"{scenario.Name}\nmodel  {modelled[i]}\nkernel {real[i]}");
                compared++;
            }
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{compared} lines of {file} compared, {notHere} are not for this kernel");
        Assert.SkipWhen(compared == 0, "this machine lacks what the scenarios need");
    }

    private static string[] Steps(Scenario scenario, ScenarioBackend backend)
    {
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, backend, output);
        using System.Text.Json.JsonDocument json = System.Text.Json.JsonDocument.Parse(output.ToArray());
        return json.RootElement.TryGetProperty("steps", out System.Text.Json.JsonElement steps)
            ? [.. steps.EnumerateArray().Select(step => step.GetRawText())] : [];
    }

    private static string WithoutWhy(string step)
    {
        int why = step.IndexOf(",\"why\":", StringComparison.Ordinal);
        return why < 0 ? step : step[..why] + "}";
    }

    // Whether a save after a load writes MXCSR_MASK is up to the processor: XSAVES may leave out what was not modified in between (SDM Vol.
    // 1, 13.11), and Intel's do.
    private static string WithoutMxcsrMask(string step)
    {
        const string Area = "\"hex\":\"";
        const int MaskDigit = 2 * XsaveFormat.MxcsrMaskOffset;
        const int MaskDigits = 2 * sizeof(uint);
        int area = step.IndexOf(Area, StringComparison.Ordinal) + Area.Length;
        return step.Contains("\"op\":\"get_xsave", StringComparison.Ordinal) && area >= Area.Length
            && step.Length > area + MaskDigit + MaskDigits
            ? step.Remove(area + MaskDigit, MaskDigits)
            : step;
    }
}
