using System.Text.Json;

namespace Xstate.Cli.Tests;

public class CheckCommandTests
{
    private const string Leaked = "samples/captures/leaked-pkru.json";
    private const string Skylake = "samples/hosts/intel-skylake-sp.json";

    [Fact]
    public async Task A_strict_kernel_refuses_with_rule_byte_and_bits()
    {
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-6.1.40", "--json");
        Assert.Equal(1, run.ExitCode);
        JsonElement target = run.Json.GetProperty("targets")[0];
        Assert.Equal((1, "check"), (run.Json.GetProperty("schemaVersion").GetInt32(), run.Json.GetProperty("verb").GetString()));
        Assert.Equal(("intel-skylake-sp", "linux-6.1.40", "repairable", "EINVAL"),
            (Text(target, "host"), Text(target, "kernel"), Text(target, "verdict"), Text(target, "errno")));
        JsonElement finding = target.GetProperty("findings")[0];
        Assert.Equal(("XS0101", "error", "0x207", "no bit outside 0x7"),
            (Text(finding, "rule"), Text(finding, "severity"), Text(finding, "found"), Text(finding, "expected")));
        Assert.Equal(512, finding.GetProperty("where").GetProperty("offset").GetInt32());
        Assert.Equal("trim", Text(target.GetProperty("repairs")[0], "kind"));
    }

    [Fact]
    public async Task The_same_host_with_a_fixed_kernel_takes_it()
    {
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-6.12");
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("LOADS, and the guest sees the same", run.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Several_hosts_are_several_targets()
    {
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", $"{Skylake}@linux-6.12",
            "samples/hosts/intel-haswell.json@linux-6.12", "--json");
        Assert.Equal(["same", "repairable"], run.Json.GetProperty("targets").EnumerateArray().Select(t => Text(t, "verdict")));
    }

    [Theory]
    [InlineData("intel-skylake-sp", "6.1.40", "same", "repairable", 0)]
    [InlineData("intel-haswell", "6.12", "differs", "repairable", 1)]
    [InlineData("intel-haswell", "6.12", "differs", "repairable,differs", 0)]
    public async Task What_a_repair_leaves_different_is_not_accepted_with_it(string host, string kernel, string after, string accepted,
        int exit)
    {
        string target = $"samples/hosts/{host}.json@linux-{kernel}";
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", target, "--accept", accepted, "--json");
        JsonElement answer = run.Json.GetProperty("targets")[0];
        Assert.Equal(("repairable", after, exit), (Text(answer, "verdict"), Text(answer, "afterRepair"), run.ExitCode));
        string text = (await XstateProcess.Run("check", Leaked, "--on", target)).Output;
        Assert.Equal(after == "differs", text.Contains("still sees something else", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_raw_image_takes_its_context_from_options_and_standard_input()
    {
        byte[] image = new byte[4096];
        image[512] = 0x07;
        image[513] = 0x02;
        image[24] = 0x80;
        image[25] = 0x1f;
        XstateProcess run = await XstateProcess.Run(image, "check", "-", "--on", $"{Skylake}@linux-6.1.40", "--guest-cpuid", Skylake,
            "--layout", Skylake, "--xcr0", "0x207", "--json");
        Assert.Equal("same", Text(run.Json.GetProperty("targets")[0], "verdict"));
        Assert.Empty(run.Json.GetProperty("targets")[0].GetProperty("findings").EnumerateArray());
    }

    [Theory]
    [InlineData("the kernel is missing", "check", Leaked, "--on", Skylake)]
    [InlineData("not a kernel", "check", Leaked, "--on", Skylake + "@windows")]
    [InlineData("OpenBSD", "check", Leaked, "--on", Skylake + "@vmm-before")]
    [InlineData("no target", "check", Leaked)]
    [InlineData("no such monitor", "check", Leaked, "--on", Skylake + "@linux-6.12", "--vmm", "bochs")]
    [InlineData("no state in it", "check", Skylake, "--on", Skylake + "@linux-6.12")]
    [InlineData("no such format", "show", Leaked, "--format", "pdf")]
    [InlineData("not a number", "check", Leaked, "--on", Skylake + "@linux-6.12", "--xcr0", "many")]
    [InlineData("no such verb", "chekc")]
    public async Task A_wrong_command_line_is_exit_code_2(string why, params string[] arguments)
    {
        XstateProcess run = await XstateProcess.Run(arguments);
        Assert.True(run.ExitCode == 2, $"{why}: exit code {run.ExitCode}, {run.Error}");
        Assert.StartsWith("xstate: ", run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    [Fact]
    public async Task An_unreadable_input_is_exit_code_3_with_offset_found_and_expected()
    {
        XstateProcess run = await XstateProcess.Run(new byte[100], "check", "-", "--format", "kvm_xsave", "--on", $"{Skylake}@linux-6.12");
        Assert.Equal(3, run.ExitCode);
        Assert.Matches("offset .* found .* expected", run.Error);
        Assert.Equal(3, (await XstateProcess.Run("show", "samples/does-not-exist")).ExitCode);
    }

    [Fact]
    public async Task A_prediction_for_this_machine_can_be_proven()
    {
        string why = "this is not Linux";
        Assert.SkipUnless(OperatingSystem.IsLinux() && Linux.HostProbe.IsKvmUsable(out why), $"/dev/kvm cannot be used: {why}");
        XstateProcess run = await XstateProcess.Run("check", Leaked, "--on", "local", "--prove", "--json");
        JsonElement proof = run.Json.GetProperty("targets")[0].GetProperty("proof");
        Assert.Equal("held", Text(proof, "result"));
    }

    private static string? Text(JsonElement element, string name) => element.GetProperty(name).GetString();
}
