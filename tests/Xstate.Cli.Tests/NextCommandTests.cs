using Xstate.Tests.Support;

namespace Xstate.Cli.Tests;

/// <summary>The command that an answer on a terminal ends with can be copied into a shell as it is.</summary>
public sealed class NextCommandTests : IDisposable
{
    private const string Host = "samples/hosts/intel-skylake-sp.json@linux-6.1.40";

    private readonly Scratch _scratch = new();

    public void Dispose() => _scratch.Dispose();

    [Theory]
    [InlineData("leaked.json", 40)]
    [InlineData("leaked.json", 80)]
    [InlineData("it's a $file.json", 80)]
    [InlineData("it's a $file.json", 160)]
    public async Task What_check_says_to_type_repairs_the_state(string name, int width)
    {
        string file = _scratch.Copy("samples/captures/leaked-pkru.json", name);
        Directory.CreateSymbolicLink(_scratch.PathOf("samples"), Repository.PathOf("samples"));
        string command = Next(FakeTerminal.Run(width, "check", file, "--on", Host));
        XstateProcess fixedState = await Shell.Run(command, _scratch.Folder);
        Assert.True(fixedState.ExitCode == 0, $"{command}: {fixedState.Error}");
        Assert.Contains($"fixed-{name}", _scratch.Names);
    }

    [Fact]
    public void What_cannot_be_repaired_leads_to_the_rule_behind_it()
    {
        FakeTerminal refused = FakeTerminal.Run(80, "check", "samples/captures/xfd-tiles.json", "--on", Host);
        Assert.Matches("\nnext: xstate rules XS[0-9]{4}\n$", refused.Text);
    }

    [Theory]
    [InlineData("xstate explore kvm-vmx-5.8 --trace text", "explore", "kvm-vmx-5.8")]
    [InlineData("xstate rules XS0101", "rules", "KVM_SET_XSAVE: Invalid argument")]
    [InlineData("xstate rules XS1201", "lint", "samples/cpuid/vmm-after.txt", "--view", "guest")]
    [InlineData("xstate diff samples/captures/leaked-pkru.json {folder}/out", "set", "samples/captures/leaked-pkru.json", "mxcsr=+ftz",
        "-o", "{folder}/out")]
    [InlineData("xstate lint {folder}/out --view guest", "make-cpuid", "samples/hosts/intel-haswell.json", "--components", "avx", "-o",
        "{folder}/out")]
    public async Task An_answer_with_an_evident_next_step_ends_with_a_command_that_runs(string next, params string[] arguments)
    {
        arguments = [.. arguments.Select(InFolder)];
        string command = Next(FakeTerminal.Run(400, arguments)).TrimEnd('\n');
        Assert.Equal(InFolder(next), command);
        XstateProcess run = await Shell.Run(command);
        Assert.True(run.ExitCode is 0 or 1, run.Error);
        string[] again = [.. arguments, .. arguments.Contains("-o") ? ["--force"] : Array.Empty<string>(), "--plain"];
        Assert.DoesNotContain("next:", FakeTerminal.Run(400, again).Text, StringComparison.Ordinal);

        string InFolder(string word) => word.Replace("{folder}", _scratch.Folder, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100)]
    [InlineData(80)]
    public async Task An_example_of_help_is_broken_so_that_a_copy_of_it_runs(int width)
    {
        FakeTerminal help = FakeTerminal.Run(width, "check", "--help");
        string[] lines = [.. help.Lines.SkipWhile(line => line != "Examples:").TakeWhile(line => line != "Exit codes:")];
        Assert.All(lines, line => Assert.True(line.Length <= width, line));
        string all = string.Join('\n', lines.Skip(1));
        Assert.Contains(" \\\n", all, StringComparison.Ordinal);
        XstateProcess run = await Shell.Run(all);
        Assert.True(run.ExitCode is 0 or 1, run.Error);
        Assert.Contains("\"schemaVersion\"", run.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--plain")]
    [InlineData("--json")]
    public void Programs_and_plain_text_get_none(string option)
    {
        FakeTerminal plain = FakeTerminal.Run(80, "check", "samples/captures/leaked-pkru.json", "--on", Host, option);
        Assert.DoesNotContain("next:", plain.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_that_cannot_be_shown_as_it_is_gives_none()
    {
        string file = _scratch.Copy("samples/captures/leaked-pkru.json", "a\u001b[31mb.json");
        FakeTerminal seen = FakeTerminal.Run(80, "check", file, "--on", Host);
        Assert.Contains("\\u001b[31mb.json", seen.Text, StringComparison.Ordinal);
        Assert.DoesNotContain("next:", seen.Text, StringComparison.Ordinal);
    }

    private static string Next(FakeTerminal seen)
    {
        string[] lines = [.. seen.Lines.SkipWhile(line => !line.StartsWith("next: ", StringComparison.Ordinal))];
        Assert.NotEmpty(lines);
        return string.Join('\n', lines)["next: ".Length..];
    }
}
