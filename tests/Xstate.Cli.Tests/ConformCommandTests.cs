using System.Runtime.Versioning;
using System.Text.Json;
using Xstate.Architecture;
using Xstate.Linux;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

public class ConformCommandTests
{
    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task This_kernel_agrees_with_its_model_and_the_answer_counts_what_was_compared()
    {
        XstateProcess run = await Conform("conform", "--count", "3000", "--seed", "0x77", "--json");
        Assert.True(run.ExitCode == 0, run.Output);
        Assert.Empty(new JsonSchema("conform.answer.schema.json").Errors(run.Json));
        JsonElement byCall = run.Json.GetProperty("byCall");
        Assert.Equal(run.Json.GetProperty("calls").GetInt64(), byCall.EnumerateObject().Sum(call => call.Value.GetInt64()));
        Assert.InRange(run.Json.GetProperty("calls").GetInt64(), 3000, 3100);
        Assert.All(["child", "ptrace_get", "ptrace_set", "signal_roundtrip"], step => Assert.True(byCall.GetProperty(step).GetInt64() > 0));
        Assert.Empty(run.Error);

        bool hasKvm = HostProbe.IsKvmUsable(out string why);
        Assert.Equal(hasKvm, run.Json.GetProperty("compared").EnumerateArray().Any(part => part.GetString() == "kvm"));
        Assert.Equal(hasKvm, byCall.EnumerateObject().Any(call => call.Name.StartsWith("KVM_", StringComparison.Ordinal)));
        Assert.Equal(hasKvm ? [] : [why], Why(run, "kvm"));
        bool hasKeys = HostCpuid.Read().Has(CpuidFeatures.Ospke);
        Assert.Equal(hasKeys, Why(run, "pkru").Length == 0);
    }

    [Fact]
    [SupportedOSPlatform("linux")]
    public async Task The_text_says_what_was_left_out_and_speaks_of_KVM_only_where_it_was_compared()
    {
        XstateProcess run = await Conform("conform", "--as", "linux-5.10", "--count", "300");
        Assert.Empty(run.Error);
        bool hasKvm = HostProbe.IsKvmUsable(out string why);
        Assert.NotEqual(hasKvm, run.Output.Contains($"left out: kvm: {why}", StringComparison.Ordinal));
        Assert.NotEqual(hasKvm, run.Output.Contains("KVM was not compared", StringComparison.Ordinal));
        Assert.Equal(hasKvm, run.Output.Contains("left out: kvm-run", StringComparison.Ordinal)
            || run.Output.Contains("KVM_RUN", StringComparison.Ordinal));
    }

    private static string[] Why(XstateProcess run, string what) =>
        [.. run.Json.GetProperty("leftOut").EnumerateArray().Where(left => left.GetProperty("what").GetString() == what)
            .Select(left => left.GetProperty("why").GetString()!)];

    [Fact]
    public async Task A_kernel_of_another_era_disagrees_and_each_reproducer_runs()
    {
        string path = Path.Combine(Path.GetTempPath(), $"xstate-conform-{Environment.ProcessId}.jsonl");
        try
        {
            XstateProcess run = await Conform("conform", "--as", "linux-5.10", "--count", "20000", "--output", path, "--json");
            Assert.Equal(1, run.ExitCode);
            JsonElement found = run.Json.GetProperty("disagreements");
            string[] lines = await File.ReadAllLinesAsync(path, TestContext.Current.CancellationToken);
            Assert.Equal(found.GetArrayLength(), lines.Length);
            Assert.Equal(found.EnumerateArray().Select(disagreement => disagreement.GetProperty("scenario").GetString()), lines);

            XstateProcess modelled = await XstateProcess.Run("run", path, "--backend", "model", "--host", "local@linux-5.10");
            Assert.Equal(0, modelled.ExitCode);
            Assert.Equal(lines.Length, modelled.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Length);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Theory]
    [InlineData("--count", "0", "--count takes a number above 0")]
    [InlineData("--seconds", "-1", "--seconds takes a number above 0")]
    [InlineData("--as", "el9", "el9 names no kernel; use linux-6.12")]
    [InlineData("--as", "vmm-before", "is an OpenBSD hypervisor")]
    public async Task What_makes_no_sense_is_a_usage_error(string option, string value, string message)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only a Linux kernel can be compared with");
        XstateProcess run = await XstateProcess.Run("conform", option, value);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    private static async Task<XstateProcess> Conform(params string[] arguments)
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only a Linux kernel can be compared with");
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.SkipWhen(run.ExitCode == 4 && run.Error.Contains("EPERM", StringComparison.Ordinal),
            $"this machine does not allow ptrace: {run.Error.Trim()}");
        return run;
    }
}
