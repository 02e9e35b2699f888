using System.Diagnostics;
using System.Text.Json;

namespace Xstate.Cli.Tests;

public class ExploreCommandTests
{
    [Fact]
    public void A_violated_invariant_is_exit_code_1_and_in_the_json_answer()
    {
        (int code, string output, _) = Xstate("explore", "kvm-vmx-5.8", "--json");

        JsonElement answer = JsonDocument.Parse(output).RootElement;
        Assert.Equal(1, code);
        Assert.True(answer.GetProperty("complete").GetBoolean());
        JsonElement violation = Assert.Single(answer.GetProperty("violations").EnumerateArray());
        Assert.Equal("host-user-access-under-guest-pkru", violation.GetProperty("invariant").GetString());
        Assert.Equal("cpu0", violation.GetProperty("trace").EnumerateArray().Last().GetProperty("actor").GetString());
    }

    [Fact]
    public void Nothing_violated_is_exit_code_0()
    {
        (int code, string output, _) = Xstate("explore", "kvm-svm-5.8", "--cpus", "2");

        Assert.Equal(0, code);
        Assert.Contains("states completely", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Events_decide_what_is_found()
    {
        Assert.Equal(0, Xstate("explore", "kvm-vmx-6.19", "--events", "irq,preempt").Code);
        Assert.Equal(1, Xstate("explore", "kvm-vmx-6.19", "--events", "nmi").Code);
    }

    [Fact]
    public void A_bound_is_said_aloud()
    {
        (_, string output, _) = Xstate("explore", "kvm-svm-5.8", "--vcpus", "2", "--cpus", "2", "--max-states", "1000");

        Assert.Contains("stopped at the bound", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text", "NMI: handler reads the user stack")]
    [InlineData("mermaid", "sequenceDiagram")]
    [InlineData("html", "</html>")]
    public void A_trace_comes_in_three_forms(string form, string contains)
    {
        (int code, string output, _) = Xstate("explore", "kvm-vmx-5.8", "--trace", form);

        Assert.Equal(1, code);
        Assert.Contains(contains, output, StringComparison.Ordinal);
    }

    [Fact]
    public void The_list_is_text_or_json()
    {
        Assert.Contains("kvm-vmx-5.8-no-cr4-intercept", Xstate("explore", "--list").Output, StringComparison.Ordinal);
        JsonElement answer = JsonDocument.Parse(Xstate("explore", "--list", "--json").Output).RootElement;
        Assert.Contains(answer.GetProperty("protocols").EnumerateArray(), entry => entry.GetProperty("protocol").GetString() == "openbsd-vmm-svm");
    }

    [Theory]
    [InlineData("explore")]
    [InlineData("explore", "kvm")]
    [InlineData("explore", "kvm-svm-5.8", "--vcpus", "9")]
    [InlineData("explore", "kvm-svm-5.8", "--events", "earthquake")]
    [InlineData("explore", "kvm-svm-5.8", "--max-states", "0")]
    [InlineData("explore", "kvm-svm-5.8", "--trace", "html", "--json")]
    public void What_makes_no_sense_is_exit_code_2(params string[] args)
    {
        (int code, string output, string error) = Xstate(args);

        Assert.Equal(2, code);
        Assert.Empty(output);
        Assert.StartsWith("xstate: ", error, StringComparison.Ordinal);
    }

    /// <summary>Runs the built tool, as a shell would.</summary>
    private static (int Code, string Output, string Error) Xstate(params string[] args)
    {
        string tool = Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "Xstate.Cli.exe" : "Xstate.Cli");
        using Process process = Process.Start(new ProcessStartInfo(tool, args) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        Task<string> error = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }
}
