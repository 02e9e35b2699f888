using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public partial class RunCommandTests
{
    [Fact]
    public async Task Every_ready_scenario_runs_on_a_model_with_one_line_each()
    {
        XstateProcess run = await XstateProcess.Run("run", "samples/scenarios/case-1-vmm-pkru.json", "--backend", "model", "--host",
            "samples/hosts/intel-icelake.json@vmm-after");
        Assert.Equal((0, 5), (run.ExitCode, run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length));
        Assert.Contains("\"ebx\":\"0x240\",\"ecx\":\"0x9c0\"", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_JSON_answer_holds_the_lines_of_all_scenarios()
    {
        string[] arguments = ["run", "samples/scenarios/case-1-vmm-pkru.json", "--backend", "model", "--host",
            "samples/hosts/intel-icelake.json@vmm-after"];
        XstateProcess lines = await XstateProcess.Run(arguments);
        XstateProcess json = await XstateProcess.Run([.. arguments, "--json"]);
        Assert.Equal((0, "run"), (json.ExitCode, json.Json.GetProperty("verb").GetString()));
        Assert.Equal(
            lines.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries),
            json.Json.GetProperty("scenarios").EnumerateArray().Select(scenario => scenario.GetRawText()));
    }

    [Fact]
    public async Task An_error_in_the_file_leaves_no_half_answer()
    {
        byte[] input = "{\"name\":\"a\",\"steps\":[{\"op\":\"get_xcrs\"}]}\n{\"name\":\"b\",\"steps\":[{\"op\":\"fly\"}]}"u8.ToArray();
        XstateProcess run = await XstateProcess.Run(input, "run", "-", "--backend", "model", "--host",
            "samples/hosts/intel-icelake.json@linux-6.12", "--json");
        Assert.Equal((3, ""), (run.ExitCode, run.Output));
    }

    [Fact]
    public async Task Text_has_a_line_for_each_step()
    {
        XstateProcess run = await XstateProcess.Run("run", "samples/scenarios/case-5-trim.json", "--backend", "model", "--host",
            "samples/hosts/intel-haswell.json@linux-6.1.40", "--text");
        Assert.Equal(0, run.ExitCode);
        string[] lines = run.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(("trim", 8), (lines[0], lines.Length));
        Assert.All(lines[1..], line => Assert.StartsWith("  ", line, StringComparison.Ordinal));
        Assert.Contains("EINVAL (XS0101: ", lines[2], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Two_forms_at_once_are_a_usage_error()
    {
        XstateProcess run = await XstateProcess.Run("run", "samples/scenarios/case-5-trim.json", "--backend", "model", "--host",
            "samples/hosts/intel-haswell.json@linux-6.1.40", "--text", "--json");
        Assert.Equal(2, run.ExitCode);
        Assert.Contains("--json and --text exclude each other", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_scenario_may_come_from_standard_input_and_refusals_say_why()
    {
        byte[] input = "{\"name\":\"a\",\"steps\":[{\"op\":\"set_xcrs\",\"vcpu\":0,\"xcr0\":\"0x5\"}]}"u8.ToArray();
        XstateProcess run = await XstateProcess.Run(input, "run", "-", "--backend", "model", "--host",
            "samples/hosts/intel-icelake.json@linux-6.12");
        Assert.Equal("EINVAL", run.Json.GetProperty("steps")[0].GetProperty("errno").GetString());
        Assert.Equal("XS0201", run.Json.GetProperty("steps")[0].GetProperty("why").GetProperty("rule").GetString());
    }

    [Fact]
    public async Task An_unknown_step_is_unreadable_input_and_names_line_and_field()
    {
        XstateProcess run = await XstateProcess.Run("{\"name\":\"a\",\"steps\":[{\"op\":\"fly\"}]}"u8.ToArray(), "run", "-", "--backend",
            "model", "--host", "samples/hosts/intel-icelake.json@linux-6.12");
        Assert.Equal(3, run.ExitCode);
        Assert.Contains("line 1, steps[0].op: there is no step fly", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model")]
    [InlineData("model", "--host", "samples/hosts/intel-icelake.json@vmm-later")]
    [InlineData("kvm", "--host", "samples/hosts/intel-icelake.json@linux-6.12")]
    [InlineData("other")]
    public async Task A_command_line_that_makes_no_sense_is_a_usage_error(params string[] backend)
    {
        XstateProcess run = await XstateProcess.Run(["run", "samples/scenarios/case-5-trim.json", "--backend", .. backend]);
        Assert.Equal(2, run.ExitCode);
    }

    [Fact]
    public async Task Each_scenario_on_the_kernel_starts_with_the_permissions_of_a_fresh_process()
    {
        string why = "this is not Linux";
        Assert.SkipUnless(OperatingSystem.IsLinux() && Linux.HostProbe.IsKvmUsable(out why), $"/dev/kvm cannot be used: {why}");

        // Twice: what the first run of them was given or lost must not show in the second.
        byte[] scenarios = await File.ReadAllBytesAsync(Repository.PathOf("samples", "scenarios", "guest-permission.json"),
            TestContext.Current.CancellationToken);
        byte[] input = [.. scenarios, .. scenarios];
        XstateProcess kernel = await XstateProcess.Run(input, "run", "-", "--backend", "kvm");
        XstateProcess model = await XstateProcess.Run(input, "run", "-", "--backend", "model", "--host", "local");
        Assert.Equal((0, 6), (kernel.ExitCode, kernel.Output.Count(letter => letter == '\n')));
        Assert.Equal(WhyMember().Replace(model.Output, ""), kernel.Output);
    }

    [GeneratedRegex(",\"why\":{[^}]*}")]
    private static partial Regex WhyMember();
}
