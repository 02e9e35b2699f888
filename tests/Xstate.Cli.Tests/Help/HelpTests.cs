using Xstate.Cli.Help;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Help;

/// <summary>What help says: names of values, examples that run, exit codes, and what was probably meant by a mistake.</summary>
public sealed class HelpTests
{
    public static TheoryData<string> Verbs() => [.. VerbGuides.All.Select(guide => guide.Verb)];

    public static TheoryData<string> Examples() => [.. VerbGuides.All.SelectMany(guide => guide.Examples).Select(example => example.Line)];

    [Fact]
    public async Task Every_verb_that_has_no_guide_is_about_xstate_itself()
    {
        XstateProcess listed = await XstateProcess.Run("man", "--list");
        Assert.Equal(["help", "man", "completion"], listed.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Except(VerbGuides.All.Select(guide => guide.Verb)));
    }

    [Theory]
    [MemberData(nameof(Verbs))]
    public async Task Help_has_a_word_for_each_value_examples_and_exit_codes(string verb)
    {
        XstateProcess help = await XstateProcess.Run(verb, "--help");
        Assert.Equal(0, help.ExitCode);
        Assert.DoesNotMatch("<[a-z-]+>  ", help.Output);
        Assert.Contains("\nExamples:\n", help.Output, StringComparison.Ordinal);
        foreach ((int code, string meaning) in VerbGuides.Of(verb)!.AllExitCodes)
        {
            Assert.Contains($"\n  {code,-3} {meaning}\n", help.Output, StringComparison.Ordinal);
        }

        Assert.Equal(help.Output, (await XstateProcess.Run("help", verb)).Output);
    }

    [Theory]
    [MemberData(nameof(Examples))]
    public async Task Each_example_runs(string line)
    {
        using Scratch scratch = new();
        Directory.CreateSymbolicLink(scratch.PathOf("samples"), Repository.PathOf("samples"));
        string[] needed = line.StartsWith("fix amd.json --undo", StringComparison.Ordinal)
            ? ["fix samples/captures/intel-for-amd.json --on samples/hosts/amd-genoa.json@linux-6.12 -o amd.json"] : [];
        XstateProcess run = await Shell.Run(string.Join("; ", [.. needed.Append(line).Select(each => $"xstate {each}")]), scratch.Folder);
        int[] allowed = VerbGuides.Of(line.Split(' ')[0])!.ExitCodes.Select(own => own.Code).Append(ExitCode.Fine)
            .Append(ExitCode.MachineRefused).ToArray();
        Assert.True(allowed.Contains(run.ExitCode), $"exit {run.ExitCode}: {run.Error}");
        Assert.True(run.Output.Length > 0 || run.ExitCode == ExitCode.MachineRefused, "it prints nothing");
    }

    [Theory]
    [InlineData("chek f", "did you mean check?")]
    [InlineData("cehck --on local", "did you mean check?")]
    [InlineData("check --josn f", "there is no option --josn here; a file of this name is ./--josn")]
    [InlineData("help nosuch", "there is no verb nosuch; xstate help lists them")]
    [InlineData("", "a verb is missing, such as show or check; xstate help lists them")]
    public async Task A_mistake_is_told_with_what_was_probably_meant(string line, string told)
    {
        XstateProcess run = await XstateProcess.Run(line.Split(' ', StringSplitOptions.RemoveEmptyEntries));
        Assert.Equal(ExitCode.Usage, run.ExitCode);
        Assert.Contains($"xstate: {told}\n", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("Required command", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_whose_name_looks_like_an_option_is_read_behind_two_hyphens()
    {
        XstateProcess run = await XstateProcess.Run("show", "--", "--nosuch");
        Assert.Equal(ExitCode.UnreadableInput, run.ExitCode);
    }

    [Fact]
    public async Task The_version_tells_name_number_commit_runtime_and_the_newest_kernel()
    {
        XstateProcess run = await XstateProcess.Run("--version");
        Assert.Matches(@"^xstate \d+\.\d+\.\d+( \([0-9a-f]{12}\))?, \.NET \S+( native)? on \S+, kernels known up to \d+\.\d+\.\d+\n$",
            run.Output);
    }
}
