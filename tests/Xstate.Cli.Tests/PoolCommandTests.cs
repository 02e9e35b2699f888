using System.Text.Json;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary><c>xstate pool</c>: its answers fit their schema and are those of <c>check</c>.</summary>
public class PoolCommandTests
{
    private static readonly string[] Hosts = ["samples/hosts/intel-haswell.json", "samples/hosts/intel-sapphire-rapids.json", "samples/hosts/amd-genoa.json@4.18.0-553.el8_10.x86_64"];
    private static readonly string[] Captures = ["samples/captures/leaked-pkru.json", "samples/captures/live-avx512.json", "samples/captures/xfd-tiles.json"];

    [Fact]
    public async Task The_verdicts_of_captures_are_those_of_check()
    {
        XstateProcess pool = await XstateProcess.Run(["pool", .. Hosts, "--kernel", "linux-6.1.40", "--captures", .. Captures, "--json"]);
        Assert.Equal(0, pool.ExitCode);
        Assert.Empty(new JsonSchema("pool.answer.schema.json").Errors(pool.Json));
        foreach (JsonElement capture in pool.Json.GetProperty("captures").EnumerateArray())
        {
            XstateProcess check = await XstateProcess.Run(["check", capture.GetProperty("file").GetString()!, "--on", .. Hosts, "--kernel", "linux-6.1.40", "--json"]);
            Assert.Equal(
                check.Json.GetProperty("targets").EnumerateArray().Select(target => (target.GetProperty("argument").GetString(), target.GetProperty("verdict").GetString())),
                capture.GetProperty("verdicts").EnumerateObject().Select(verdict => ((string?)verdict.Name, verdict.Value.GetString())));
        }
    }

    [Fact]
    public async Task What_cannot_be_read_is_told_and_the_rest_is_answered()
    {
        XstateProcess run = await XstateProcess.Run(["pool", .. Hosts, "missing.json@linux-6.12", "--kernel", "linux-6.12", "--captures", "README.md", Captures[0], "--upgrade-to", "linux-6.18", "--json"]);
        Assert.Equal(3, run.ExitCode);
        Assert.Empty(new JsonSchema("pool.answer.schema.json").Errors(run.Json));
        Assert.Equal(3, run.Json.GetProperty("classes").GetArrayLength());
        Assert.Equal("missing.json@linux-6.12", run.Json.GetProperty("unread")[0].GetProperty("argument").GetString());
        Assert.Equal(["error", "verdicts"], run.Json.GetProperty("captures").EnumerateArray().Select(capture => capture.EnumerateObject().Last().Name).Order(StringComparer.Ordinal));
        Assert.Equal(2, (await XstateProcess.Run("pool", "samples/hosts/intel-haswell.json")).ExitCode);
    }

    [Fact]
    public async Task Text_has_eighty_columns_and_csv_a_line_a_pair_of_classes()
    {
        XstateProcess text = await XstateProcess.Run("pool", "samples/hosts/*.json", "--kernel", "linux-6.1.40", "--upgrade-to", "linux-6.12");
        Assert.Equal(0, text.ExitCode);
        Assert.All(text.Output.Split('\n'), line => Assert.InRange(line.Length, 0, 80));
        Assert.Contains("alone takes", text.Output, StringComparison.Ordinal);
        XstateProcess csv = await XstateProcess.Run("pool", "samples/hosts/*.json", "--kernel", "linux-6.1.40", "--csv");
        string[] lines = csv.Output.TrimEnd().Split('\n');
        Assert.Equal(1 + (12 * 12), lines.Length);
        Assert.All(lines, line => Assert.Equal(7, line.Split(',').Length));
    }

    [Fact]
    public async Task Hosts_that_differ_in_nothing_that_is_read_are_one_class()
    {
        using Scratch scratch = new();
        string[] names = [scratch.Copy("samples/hosts/amd-milan.json", "a.json"), scratch.Copy("samples/hosts/amd-milan.json", "b.json")];
        XstateProcess run = await XstateProcess.Run(["pool", .. names.Select(name => $"{name}@linux-6.12.30"), .. names.Select(name => $"{name}@linux-6.12.31"), "--json"]);
        Assert.Equal(4, run.Json.GetProperty("classes")[0].GetProperty("hosts").GetArrayLength());
        Assert.Empty(run.Json.GetProperty("pinned").EnumerateArray());
    }
}
