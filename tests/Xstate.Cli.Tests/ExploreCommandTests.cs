using System.Text.Json;

namespace Xstate.Cli.Tests;

public class ExploreCommandTests
{
    [Fact]
    public async Task A_violated_invariant_is_exit_code_1_and_in_the_json_answer()
    {
        (int code, string output, _) = await XstateProcess.Run("explore", "kvm-vmx-5.8", "--json");

        JsonElement answer = JsonDocument.Parse(output).RootElement;
        Assert.Equal(1, code);
        Assert.True(answer.GetProperty("complete").GetBoolean());
        JsonElement violation = Assert.Single(answer.GetProperty("violations").EnumerateArray());
        Assert.Equal("host-user-access-under-guest-pkru", violation.GetProperty("invariant").GetString());
        Assert.Equal("cpu0", violation.GetProperty("trace").EnumerateArray().Last().GetProperty("actor").GetString());
    }

    [Fact]
    public async Task Nothing_violated_is_exit_code_0()
    {
        (int code, string output, _) = await XstateProcess.Run("explore", "kvm-svm-5.8", "--cpus", "2");

        Assert.Equal(0, code);
        Assert.Contains("states completely", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Events_decide_what_is_found()
    {
        Assert.Equal(0, (await XstateProcess.Run("explore", "kvm-vmx-6.19", "--events", "irq,preempt")).ExitCode);
        Assert.Equal(1, (await XstateProcess.Run("explore", "kvm-vmx-6.19", "--events", "nmi")).ExitCode);
    }

    [Fact]
    public async Task A_bound_is_said_aloud()
    {
        (_, string output, _) = await XstateProcess.Run("explore", "kvm-svm-5.8", "--vcpus", "2", "--cpus", "2", "--max-states", "1000");

        Assert.Contains("stopped at the bound", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text", "NMI: handler reads the user stack")]
    [InlineData("mermaid", "sequenceDiagram")]
    [InlineData("html", "</html>")]
    public async Task A_trace_comes_in_three_forms(string form, string contains)
    {
        (int code, string output, _) = await XstateProcess.Run("explore", "kvm-vmx-5.8", "--trace", form);

        Assert.Equal(1, code);
        Assert.Contains(contains, output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_list_is_text_or_json()
    {
        Assert.Contains("kvm-vmx-5.8-no-cr4-intercept", (await XstateProcess.Run("explore", "--list")).Output, StringComparison.Ordinal);
        JsonElement answer = JsonDocument.Parse((await XstateProcess.Run("explore", "--list", "--json")).Output).RootElement;
        Assert.Contains(answer.GetProperty("protocols").EnumerateArray(),
            entry => entry.GetProperty("protocol").GetString() == "openbsd-vmm-svm");
    }

    [Theory]
    [InlineData("explore")]
    [InlineData("explore", "kvm")]
    [InlineData("explore", "kvm-svm-5.8", "--vcpus", "9")]
    [InlineData("explore", "kvm-svm-5.8", "--events", "earthquake")]
    [InlineData("explore", "kvm-svm-5.8", "--max-states", "0")]
    [InlineData("explore", "kvm-svm-5.8", "--trace", "html", "--json")]
    public async Task What_makes_no_sense_is_exit_code_2(params string[] args)
    {
        (int code, string output, string error) = await XstateProcess.Run(args);

        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.StartsWith("xstate: ", error, StringComparison.Ordinal);
        Assert.DoesNotContain("Parameter", error, StringComparison.Ordinal);
    }
}
