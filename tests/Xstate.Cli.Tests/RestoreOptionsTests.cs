using System.Text.Json.Nodes;

namespace Xstate.Cli.Tests;

/// <summary>The options of check and fix that say who restores, onto what, and how the guest is protected.</summary>
public class RestoreOptionsTests
{
    private const string Stale = "samples/captures/stale-pkru.json";
    private const string Genoa = "samples/hosts/amd-genoa.json@linux-6.12";

    [Theory]
    [InlineData("check")]
    [InlineData("fix")]
    public async Task The_list_of_VMMs_needs_no_file_and_says_how_each_is_known(string verb)
    {
        XstateProcess run = await XstateProcess.Run([verb, "--vmm", "list"]);
        Assert.Equal(0, run.ExitCode);
        Assert.Contains("qemu-7.2: QEMU 6.0 to 8.1 (run: ", run.Output, StringComparison.Ordinal);
        Assert.Contains("dragonball: Dragonball (Kata Containers) since July 2026 (read: ", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("check", "check needs FILE")]
    [InlineData("fix", "fix needs FILE")]
    public async Task Without_a_file_the_verb_says_so(string verb, string message)
    {
        XstateProcess run = await XstateProcess.Run([verb]);
        Assert.Equal(2, run.ExitCode);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_used_virtual_CPU_has_the_state_of_a_file()
    {
        XstateProcess fresh = await XstateProcess.Run(["check", Stale, "--on", Genoa, "--json"]);
        Assert.Equal("same", Verdict(fresh));
        XstateProcess used = await XstateProcess.Run(["check", Stale, "--on", Genoa, "--vcpu-state", Stale, "--vcpu-pkru", "0x4",
            "--json"]);
        Assert.Equal("repairable", Verdict(used));
        XstateProcess host = await XstateProcess.Run(["check", Stale, "--on", Genoa, "--vcpu-state", "samples/hosts/amd-genoa.json"]);
        Assert.Equal(2, host.ExitCode);
        Assert.Contains("--vcpu-state takes a state of virtual CPUs", host.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("sev-es", "differs", "XS0109")]
    [InlineData("sev-es-before-launch", "same", null)]
    [InlineData("protected-state", "refused", "XS0109")]
    public async Task Protection_decides_before_registers_are_listed(string protection, string verdict, string? rule)
    {
        XstateProcess run = await XstateProcess.Run(["check", Stale, "--on", Genoa, "--protected", protection, "--json"]);
        Assert.Equal(verdict, Verdict(run));
        JsonNode target = JsonNode.Parse(run.Output)!["targets"]![0]!;
        Assert.Empty(target["differences"]!.AsArray());
        Assert.Equal(rule is not null, target["findings"]!.AsArray().Any(finding => (string)finding!["rule"]! == rule));
    }

    private static string Verdict(XstateProcess run) => (string)JsonNode.Parse(run.Output)!["targets"]![0]!["verdict"]!;
}
