using Xstate.Cli.Output;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>What somebody sees on a terminal: every line within its width, no word cut, and the same words as in a pipe.</summary>
public sealed class TerminalTextTests : IDisposable
{
    private const string Leaked = "samples/captures/leaked-pkru.json";
    private const string Skylake = "samples/hosts/intel-skylake-sp.json";

    private readonly Scratch _scratch = new();

    public static TheoryData<string, int> Answers
    {
        get
        {
            string[] lines =
            [
                $"check {Leaked} --on {Skylake}@linux-6.1.40",
                $"check {Leaked} --on {Skylake}@5.14.0-427.13.1.el9_4.x86_64",
                "check samples/captures/intel-for-amd.json --on samples/hosts/amd-genoa.json@linux-6.12",
                $"check {Leaked} --on samples/hosts/*.json --kernel linux-6.12",
                $"check samples/captures/*.json --on {Skylake}@linux-6.1.40",
                "check --vmm list",
                $"show {Leaked}",
                "show samples/captures/live-avx512.json --all --details",
                "show samples/captures/live-avx512.json -r zmm5,mxcsr --as f32",
                $"show {Skylake} --details",
                "show samples/captures/*.json",
                $"diff {Leaked} samples/captures/live-avx512.json --details",
                "lint samples/hosts/amd-genoa.json --details",
                "lint samples/hosts/*.json",
                "pool samples/hosts/*.json --kernel linux-6.12",
                "rules",
                "rules XS0101",
                "rules KVM-SET-STRICT-CPUID",
                "rules EINVAL",
                "rules --kernel 6.1.0-47-amd64",
                "explore --list",
                "explore kvm-vmx-5.0 --trace text",
                "run samples/scenarios/case-5-trim.json --backend model --host samples/hosts/intel-haswell.json@linux-6.1.40 --text",
            ];
            TheoryData<string, int> data = [];
            foreach (string line in lines)
            {
                foreach (int width in (int[])[40, 80, 120])
                {
                    data.Add(line, width);
                }
            }

            return data;
        }
    }

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [MemberData(nameof(Answers))]
    public void Every_line_fits_and_no_word_is_cut(string line, int width)
    {
        string[] arguments = line.Split(' ');
        FakeTerminal seen = FakeTerminal.Run(width, arguments);
        FakeTerminal plain = FakeTerminal.Run(width, [.. arguments, "--plain"]);
        Assert.True(seen.ExitCode is 0 or 1, seen.Error);
        Assert.Equal(plain.ExitCode, seen.ExitCode);
        LaidOut.Hold(seen.Lines, plain.Text, width);
    }

    [Theory]
    [MemberData(nameof(Answers))]
    public void Plain_text_is_what_a_pipe_gets(string line, int width)
    {
        string[] arguments = line.Split(' ');
        XstateProcess pipe = XstateProcess.RunHere([], arguments);
        Assert.Equal(pipe.Output, FakeTerminal.Run(width, [.. arguments, "--plain"]).Raw);
        Assert.Equal(pipe.Output, FakeTerminal.Run((TerminalLook?)null, arguments).Raw);
        Assert.DoesNotContain('\u001b', pipe.Output);
    }

    [Fact]
    public void Records_are_lines_on_a_terminal_too()
    {
        string[] arguments = ["pool", "samples/hosts/intel-haswell.json", Skylake, "--kernel", "linux-6.12", "--csv"];
        Assert.Equal(XstateProcess.RunHere([], arguments).Output, FakeTerminal.Run(40, arguments).Raw);
    }

    [Fact]
    public void A_verdict_and_a_severity_have_a_color_and_their_word()
    {
        FakeTerminal refused = FakeTerminal.Run(80, "check", Leaked, "--on", $"{Skylake}@linux-6.1.40");
        Assert.Contains("\u001b[1;33mREFUSED: KVM_SET_XSAVE answers EINVAL; LOADS AFTER A REPAIR\u001b[0m", refused.Raw,
            StringComparison.Ordinal);
        Assert.Contains("\u001b[1;31mXS0101 error\u001b[0m", refused.Raw, StringComparison.Ordinal);
        FakeTerminal same = FakeTerminal.Run(80, "check", Leaked, "--on", $"{Skylake}@linux-6.12");
        Assert.Contains("\u001b[1;32mLOADS, and the guest sees the same\u001b[0m", same.Raw, StringComparison.Ordinal);
    }

    [Fact]
    public void NO_COLOR_takes_color_away_and_nothing_else()
    {
        string[] arguments = ["check", Leaked, "--on", $"{Skylake}@linux-6.1.40"];
        FakeTerminal without = FakeTerminal.Run(new TerminalLook(80, HasColor: false), arguments);
        Assert.Contains("\u001b[1mREFUSED", without.Raw, StringComparison.Ordinal);
        Assert.DoesNotMatch("\u001b\\[[0-9;]*(3[0-9]|9[0-7])", without.Raw);
        Assert.Equal(FakeTerminal.Run(80, arguments).Text, without.Text);
    }

    [Theory]
    [InlineData("[/]")]
    [InlineData("[red]all is well[/]")]
    [InlineData("[link=http://a]b[/]")]
    [InlineData("]]>[[")]
    [InlineData("\u001b[31mred\u001b[0m")]
    [InlineData("\u009b31m")]
    [InlineData("\u202eolleh")]
    [InlineData("a\nLOADS, and the guest sees the same")]
    [InlineData("{0} {name}")]
    public void A_foreign_text_is_a_text_and_no_markup(string name)
    {
        string file = _scratch.Copy(Leaked, "named.json");
        string host = _scratch.Write("host.json", System.Text.Encoding.UTF8.GetBytes(
            File.ReadAllText(Repository.PathOf(Skylake.Split('/'))).Replace("\"intel-skylake-sp\"",
                System.Text.Json.JsonSerializer.Serialize(name), StringComparison.Ordinal)));
        string[] arguments = ["check", file, "--on", $"{host}@linux-6.1.40"];
        FakeTerminal seen = FakeTerminal.Run(120, arguments);
        string shown = FakeTerminal.Run(120, [.. arguments, "--plain"]).Text.Split(" on ")[1].Split(" with ")[0];
        Assert.Contains(shown, seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain('\u001b', seen.Text);
        Assert.DoesNotContain('\u009b', seen.Raw);
        Assert.DoesNotContain('\u202e', seen.Raw);
        Assert.DoesNotContain("\nLOADS, and", seen.Text, StringComparison.Ordinal);
        FakeTerminal wrong = FakeTerminal.Run(40, "show", _scratch.PathOf(name.Replace('/', '_').Replace('\0', '_')));
        Assert.Equal(3, wrong.ExitCode);
        Assert.DoesNotContain("\u001b[31mred", wrong.Error, StringComparison.Ordinal);
        Assert.DoesNotContain('\u009b', wrong.Error);
    }

    [Fact]
    public async Task Details_list_every_changed_register_in_plain_text_too()
    {
        string[] arguments = ["check", "samples/captures/intel-for-amd.json", "--on", "samples/hosts/amd-genoa.json@linux-6.12"];
        int all = (await XstateProcess.Run([.. arguments, "--json"])).Json.GetProperty("targets")[0].GetProperty("differences")
            .GetArrayLength();
        Assert.InRange(all, 20, 1000);
        Assert.Equal((8, true), Count((await XstateProcess.Run(arguments)).Output));
        Assert.Equal((all, false), Count((await XstateProcess.Run([.. arguments, "--details"])).Output));
        Assert.Equal((all, false), Count(FakeTerminal.Run(200, [.. arguments, "--details", "--plain"]).Text));

        static (int Lines, bool IsCut) Count(string text) => (
            text.Split('\n').Count(line => line.Contains(" becomes ", StringComparison.Ordinal)),
            text.Contains("more registers (--details lists them)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_long_list_is_cut_short_with_a_count_and_details_has_all_of_it()
    {
        string[] arguments = ["diff", Leaked, "samples/captures/live-avx512.json"];
        FakeTerminal seen = FakeTerminal.Run(80, arguments);
        FakeTerminal all = FakeTerminal.Run(80, [.. arguments, "--details"]);
        Assert.Matches(@"… and \d+ more registers \(--details lists them\)", seen.Text);
        Assert.DoesNotContain("(--details", all.Text, StringComparison.Ordinal);
        Assert.True(all.Lines.Length > seen.Lines.Length + 10);
        Assert.DoesNotContain("(--details", FakeTerminal.Run(80, [.. arguments, "--plain"]).Text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("xterm-256color", "", "C.UTF-8", true, true, true)]
    [InlineData("xterm", "1", "en_US.utf8", true, false, true)]
    [InlineData("xterm", "", "C", true, true, false)]
    [InlineData("dumb", "", "C.UTF-8", false, false, false)]
    [InlineData("", "", "C.UTF-8", false, false, false)]
    public void The_environment_says_what_a_terminal_shows(string term, string noColor, string locale, bool isLaidOut, bool hasColor,
        bool isUnicode)
    {
        TerminalLook? look = TerminalLook.Of([], name => name switch
        {
            "TERM" => term,
            "NO_COLOR" => noColor,
            "LANG" => locale,
            _ => null,
        });
        Assert.Equal(isLaidOut ? new TerminalLook(80, hasColor, isUnicode) : null, look);
    }
}
