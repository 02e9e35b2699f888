using Xstate.Cli.Help;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Help;

/// <summary>The manual pages, as groff renders them.</summary>
public sealed class ManualPageTests
{
    public static TheoryData<string> Pages() => ["", .. VerbGuides.All.Select(guide => guide.Verb), "help", "man", "completion"];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task A_page_renders_without_a_warning_and_has_every_option(string verb)
    {
        ExternalTool.Require("groff");
        using Scratch scratch = new();
        XstateProcess page = await XstateProcess.Run(verb.Length == 0 ? ["man"] : ["man", verb]);
        Assert.Equal(0, page.ExitCode);
        string file = scratch.Write("page.1", System.Text.Encoding.UTF8.GetBytes(page.Output));
        string rendered = ExternalTool.Run("groff", "-man", "-Tutf8", "-ww", "-P-cbou", "-rLL=78n", file);
        Assert.DoesNotContain("warning", rendered, StringComparison.Ordinal);
        Assert.DoesNotContain("error:", rendered, StringComparison.Ordinal);
        string[] sections = ["NAME", "SYNOPSIS", "OPTIONS", "EXIT STATUS", "SEE ALSO"];
        Assert.Equal(sections, sections.Where(section => rendered.Contains($"\n{section}\n", StringComparison.Ordinal)));

        XstateProcess help = await XstateProcess.Run(verb.Length == 0 ? ["--help"] : [verb, "--help"]);
        foreach (string option in help.Output.Split(' ', '\n', ',').Where(word => word.StartsWith("--", StringComparison.Ordinal)
            && word.Length > 2))
        {
            Assert.Contains(option.TrimEnd('.', ',', ':', ';', ')'),
                rendered.Replace('\u2010', '-').Replace("-\n", "-", StringComparison.Ordinal), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task There_is_no_page_of_what_is_no_verb()
    {
        XstateProcess run = await XstateProcess.Run("man", "nosuch");
        Assert.Equal((ExitCode.Usage, "xstate: there is no verb nosuch; xstate man --list has them\n"), (run.ExitCode, run.Error));
    }
}
