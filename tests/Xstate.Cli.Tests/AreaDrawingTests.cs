using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary><c>show --draw</c>: bars to scale at the places that the area has, and a word beside each.</summary>
public sealed partial class AreaDrawingTests : IDisposable
{
    private const string Leaked = "samples/captures/leaked-pkru.json";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("leaked-pkru")]
    [InlineData("compacted")]
    [InlineData("hidden-avx512")]
    [InlineData("live-avx512")]
    [InlineData("xfd-tiles")]
    public async Task Every_bar_lies_where_its_component_does(string sample)
    {
        string file = $"samples/captures/{sample}.json";
        JsonNode answer = JsonNode.Parse((await XstateProcess.Run("show", file, "--json")).Output)!;
        JsonArray components = answer["vcpus"]![0]!["components"]!.AsArray();
        foreach (int width in (int[])[60, 80, 100, 120, 160])
        {
            FakeTerminal seen = FakeTerminal.Run(new TerminalLook(width), "show", file, "--draw");
            Match[] rows = [.. seen.Lines.Select(line => Row().Match(line)).Where(match => match.Success)];
            Assert.Equal(components.Count + 1, rows.Length);
            int length = int.Parse(Length().Match(seen.Text).Groups["length"].Value);
            int cells = rows[0].Groups["bar"].Length;
            foreach (Match row in rows)
            {
                int offset = int.Parse(row.Groups["offset"].Value);
                int size = int.Parse(row.Groups["size"].Value);
                JsonNode? told = components.SingleOrDefault(one => one!["component"]!.GetValue<string>() == row.Groups["name"].Value);
                Assert.Equal(told is null ? (512, 64) : (told["offset"]!.GetValue<int>(), told["size"]!.GetValue<int>()), (offset, size));
                string bar = row.Groups["bar"].Value;
                Assert.Equal(cells, bar.Length);
                double first = bar.TakeWhile(cell => cell == ' ').Count();
                double last = bar.TrimEnd().Length;
                Assert.InRange(first, ((double)offset * cells / length) - 1, (double)offset * cells / length);
                Assert.InRange(last, ((double)(offset + size) * cells / length) - 1, ((double)(offset + size) * cells / length) + 1);
                Assert.True(last > first, "a component that is there is seen");
            }
        }
    }

    [Fact]
    public void What_the_guest_cannot_have_is_hidden_and_has_a_color_and_a_filling_of_its_own()
    {
        FakeTerminal seen = FakeTerminal.Run(80, "show", Leaked, "--draw");
        Assert.Matches(@"pkru +▓ +2688 \+8 +hidden", seen.Text);
        Assert.Matches("\u001b\\[1;33m▓\u001b\\[0m", seen.Raw);
        Assert.Matches("\u001b\\[1;32m█+\u001b\\[0m", seen.Raw);
        Assert.Contains("in use, although the guest's CPUID or XCR0 does not have it", seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("dropped", seen.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_blocks_the_fillings_are_ASCII()
    {
        FakeTerminal[] runs =
        [
            FakeTerminal.Run(new TerminalLook(80, IsUnicode: false), "show", Leaked, "--draw"),
            FakeTerminal.Run((TerminalLook?)null, "show", Leaked, "--draw"),
            FakeTerminal.Run(80, "show", Leaked, "--draw", "--plain"),
        ];
        Assert.All(runs, seen =>
        {
            Assert.DoesNotContain(seen.Raw, letter => !char.IsAscii(letter));
            Assert.Matches(@"pkru +\? +2688 \+8 +hidden", seen.Text);
        });
    }

    [Theory]
    [InlineData("leaked-pkru", "intel-skylake-sp.json@linux-6.1.40", "pkru")]
    [InlineData("leaked-pkru", "intel-skylake-sp.json@linux-6.12", "")]
    [InlineData("xfd-tiles", "intel-haswell.json@linux-6.12", "opmask zmm_hi256 hi16_zmm pkru tilecfg tiledata")]
    [InlineData("xfd-tiles", "intel-sapphire-rapids.json@linux-6.12", "")]
    public async Task What_a_target_does_not_take_is_left_out(string sample, string host, string leftOut)
    {
        string[] words = ["show", $"samples/captures/{sample}.json", "--draw", "--on", $"samples/hosts/{host}"];
        XstateProcess seen = await XstateProcess.Run(words);
        Assert.Equal(0, seen.ExitCode);
        IEnumerable<string> rows = seen.Output.Split('\n').Where(line => line.EndsWith("left out", StringComparison.Ordinal));
        Assert.Equal(leftOut, string.Join(' ', rows.Select(row => row.Trim().Split(' ')[0])));
        Assert.Equal(leftOut.Length > 0, seen.Output.Contains("the target does not take it", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_target_is_drawn_only_and_what_IA32_XFD_disables_is_said()
    {
        XstateProcess told = await XstateProcess.Run("show", Leaked, "--on", "samples/hosts/intel-haswell.json@linux-6.12");
        Assert.Equal((2, "--on goes with --draw"), (told.ExitCode, told.Error["xstate: ".Length..][..21]));
        string tiles = (await XstateProcess.Run("show", "samples/captures/xfd-tiles.json", "--draw")).Output;
        Assert.Contains("IA32_XFD 0x40000 (tiledata): disabled, an instruction that uses it takes #NM\n", tiles, StringComparison.Ordinal);
        Assert.DoesNotContain("IA32_XFD", (await XstateProcess.Run("show", Leaked, "--draw")).Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("leaked-pkru", "pkru")]
    [InlineData("live-avx512", "")]
    [InlineData("hidden-avx512", "opmask zmm_hi256 hi16_zmm")]
    public async Task The_drawing_and_the_answer_call_the_same_components_hidden(string sample, string hidden)
    {
        string file = $"samples/captures/{sample}.json";
        string drawn = (await XstateProcess.Run("show", file, "--draw")).Output;
        IEnumerable<string> rows = drawn.Split('\n').Where(line => line.EndsWith(" hidden", StringComparison.Ordinal));
        JsonNode answer = JsonNode.Parse((await XstateProcess.Run("show", file, "--json")).Output)!;
        IEnumerable<string> told = answer["vcpus"]![0]!["components"]!.AsArray().Where(one => one!["hidden"] is not null)
            .Select(one => one!["component"]!.GetValue<string>());
        Assert.Equal(hidden, string.Join(' ', rows.Select(row => row.Trim().Split(' ')[0])));
        Assert.Equal(hidden, string.Join(' ', told));
    }

    [Fact]
    public void PKRU_is_the_guest_s_without_XCR0()
    {
        string file = Changed("samples/captures/xfd-tiles.json", root => root["states"]![0]!["xcr0"]!["value"] = "0x600e7");
        string drawn = FakeTerminal.Run(80, "show", file, "--draw").Text;
        Assert.Matches("pkru .*in use", drawn);
        Assert.DoesNotContain("hidden", drawn, StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_file_ends_before_is_dropped()
    {
        // What KVM_GET_XSAVE gives of a guest with AMX: 4,096 bytes.
        string file = Changed("samples/captures/xfd-tiles.json", root =>
        {
            JsonNode area = root["states"]![0]!["area"]!;
            area["length"] = 4096;
            JsonArray rows = area["rows"]!.AsArray();
            foreach (JsonNode? row in rows.Where(row => row!["offset"]!.GetValue<int>() >= 4064).ToArray())
            {
                rows.Remove(row);
            }
        });
        FakeTerminal seen = FakeTerminal.Run(80, "show", file, "--draw");
        Assert.Matches(@"tiledata .*dropped", seen.Text);
        Assert.Contains("dropped  the guest has it, and the file does not hold it", seen.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Every_virtual_CPU_is_drawn_and_of_many_some_with_a_count()
    {
        string file = Changed(Leaked, root =>
        {
            JsonArray states = root["states"]!.AsArray();
            for (int i = 1; i < 12; i++)
            {
                JsonNode copy = states[0]!.DeepClone();
                copy["id"] = i;
                states.Add(copy);
            }
        });
        FakeTerminal seen = FakeTerminal.Run(80, "show", file, "--draw");
        Assert.Equal(8, Regex.Count(seen.Text, @"(?m)^vcpu \d+: standard format", RegexOptions.None, TimeSpan.FromSeconds(1)));
        Assert.Contains("… and 4 more vcpus (--details lists them)", seen.Text, StringComparison.Ordinal);
        FakeTerminal all = FakeTerminal.Run(80, "show", file, "--draw", "--details");
        Assert.Equal(12, Regex.Count(all.Text, @"(?m)^vcpu \d+: standard format", RegexOptions.None, TimeSpan.FromSeconds(1)));
        FakeTerminal one = FakeTerminal.Run(80, "show", file, "--draw", "--vcpu", "7");
        Assert.Contains("vcpu 7: standard format", one.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("vcpu 6:", one.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_layout_that_nobody_knows_is_said_to_be_one()
    {
        // Components that processors of both vendors have at different places, and nothing that tells which this is.
        byte[] area = new byte[4096];
        area[512] = 0x07;
        area[513] = 0x02;
        string file = _scratch.Write("area.bin", area);
        FakeTerminal seen = FakeTerminal.Run(80, "show", file, "--format", "kvm_xsave", "--draw");
        Assert.Contains("the layout is not known, and drawn as if", seen.Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("show", "samples/hosts/amd-genoa.json", "--draw")]
    [InlineData("show", Leaked, "--draw", "--json")]
    [InlineData("show", Leaked, "--draw", "-r", "zmm0")]
    public void What_cannot_be_drawn_is_a_usage_error(params string[] arguments) =>
        Assert.Equal(ExitCode.Usage, XstateProcess.RunHere([], arguments).ExitCode);

    private string Changed(string sample, Action<JsonNode> change)
    {
        JsonNode root = JsonNode.Parse(File.ReadAllText(Repository.PathOf(sample.Split('/'))))!;
        change(root);
        return _scratch.Write("changed.json", System.Text.Encoding.UTF8.GetBytes(root.ToJsonString()));
    }

    [GeneratedRegex(@", (?<length>\d+) bytes, \d+ bytes a cell", RegexOptions.None, 1000)]
    private static partial Regex Length();

    [GeneratedRegex(@"^  (?<name>[a-z0-9_]+) *(?<=^.{13})(?<bar>[ █░▓╳▒]+?)  (?<offset>[ \d]{5}) \+(?<size>\d+) +[a-z ]+$",
        RegexOptions.None, 1000)]
    private static partial Regex Row();
}
