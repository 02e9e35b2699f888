using System.Text.Json;

namespace Xstate.Cli.Tests;

public class MakeCpuidCommandTests
{
    private const string SapphireRapids = "samples/hosts/intel-sapphire-rapids.json";

    [Theory]
    [InlineData("cpuid-r")]
    [InlineData("kvm_cpuid2")]
    [InlineData("firecracker-cpu-template")]
    [InlineData("cpuid-json")]
    [InlineData("qemu-cpu")]
    [InlineData("libvirt-cpu-model")]
    public async Task Every_format_is_written_and_opens(string format)
    {
        using Scratch folder = new();
        string output = folder.PathOf("guest");
        XstateProcess made = await XstateProcess.Run("make-cpuid", SapphireRapids, "--components", "avx,opmask", "--without", "pku",
            "--to", format, "-o", output);
        Assert.Equal((0, ""), (made.ExitCode, made.Error));
        Assert.Contains("0xe7", made.Output, StringComparison.Ordinal);
        XstateProcess shown = await XstateProcess.Run("show", output);
        Assert.Equal(0, shown.ExitCode);
        Assert.StartsWith(format, shown.Output, StringComparison.Ordinal);
        if (format is "cpuid-r" or "kvm_cpuid2" or "cpuid-json")
        {
            Assert.Equal(0, (await XstateProcess.Run("lint", output, "--view", "kvm")).ExitCode);
        }
    }

    [Fact]
    public async Task What_cannot_be_made_writes_nothing_and_says_why()
    {
        using Scratch folder = new();
        string output = folder.PathOf("guest");
        XstateProcess made = await XstateProcess.Run("make-cpuid", "samples/hosts/intel-haswell.json", "--components", "pkru", "-o",
            output, "--json");
        using JsonDocument answer = JsonDocument.Parse(made.Output);
        Assert.Equal(1, made.ExitCode);
        Assert.Contains("does not offer", Assert.Single(answer.RootElement.GetProperty("obstacles").EnumerateArray()).GetString(),
            StringComparison.Ordinal);
        Assert.False(File.Exists(output));
    }

    [Theory]
    [InlineData("--components", "nosuch")]
    [InlineData("--with", "nosuch")]
    [InlineData("--to", "nosuch")]
    public async Task A_name_that_is_not_known_is_a_usage_error(string option, string value)
    {
        XstateProcess made = await XstateProcess.Run("make-cpuid", SapphireRapids, option, value, "-o", "never");
        Assert.Equal(2, made.ExitCode);
        Assert.Contains("nosuch", made.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Pasted_text_is_shown_with_what_was_passed_over_and_with_the_errors_of_lint()
    {
        using Scratch folder = new();
        string text = folder.PathOf("ticket");
        string dump = folder.PathOf("dump");
        await XstateProcess.Run("convert", SapphireRapids, "--to", "cpuid-r", "-o", dump);
        string[] lines = await File.ReadAllLinesAsync(dump, TestContext.Current.CancellationToken);

        // Half of AVX-512, as a hypervisor that knows one of its components.
        string broken = string.Join('\n', lines).Replace("0x0000000d 0x00: eax=0x000602e7", "0x0000000d 0x00: eax=0x00060267",
            StringComparison.Ordinal);
        await File.WriteAllTextAsync(text, $"Hello,\n```\n{broken}\n```\n", TestContext.Current.CancellationToken);
        XstateProcess shown = await XstateProcess.Run("show", text);
        Assert.Equal(0, shown.ExitCode);
        Assert.Contains("XS1218 info", shown.Output, StringComparison.Ordinal);
        Assert.Contains("XS1413 error", shown.Output, StringComparison.Ordinal);
    }
}
