using System.Text;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Reports;

/// <summary>One documentation page in Markdown.</summary>
/// <param name="FileName">Name of the file.</param>
/// <param name="Text">Its content.</param>
internal sealed record DocumentationPage(string FileName, string Text);

/// <summary>The pages of docs/rules, made from the catalogue and the table of differences.</summary>
internal static class RulePages
{
    /// <summary>An index, and a page for every rule and every kernel difference.</summary>
    public static IEnumerable<DocumentationPage> All()
    {
        yield return Index();
        foreach (Rule rule in Rules.All)
        {
            yield return PageOf(rule);
        }

        foreach (KernelDifference info in KernelDifference.All)
        {
            yield return PageOf(info);
        }
    }

    private static DocumentationPage Index()
    {
        StringBuilder text = new(
            "# Rules and kernel behaviours\n\nMade from the code; `xstate rules ID` prints the same.\n\n| Rule | Severity | "
            + "|\n|---|---|---|\n");
        foreach (Rule rule in Rules.All)
        {
            text.Append($"| [{rule.Id}]({rule.Id}.md) | {rule.Severity.ToString().ToLowerInvariant()} | {rule.Title} |\n");
        }

        text.Append("\n| Behaviour | Kernels |\n|---|---|\n");
        foreach (KernelDifference info in KernelDifference.All)
        {
            text.Append($"| [{info.Id}]({info.Id}.md) | {info.Affected} |\n");
        }

        return new DocumentationPage("README.md", text.ToString());
    }

    private static DocumentationPage PageOf(Rule rule)
    {
        StringBuilder text = new(
            $"# {rule.Id}: {rule.Title}\n\nSeverity: {rule.Severity.ToString().ToLowerInvariant()}\n\n{rule.Explanation}\n\n**What to "
            + $"do.** {rule.Mend}\n\n**Source.** {rule.Source}\n");
        string[] deciding = [.. KernelDifference.Deciding(rule).Select(difference => $"[{difference.Id}]({difference.Id}.md)")];
        if (deciding.Length > 0)
        {
            text.Append("\nDecided by ").AppendJoin(", ", deciding).Append(".\n");
        }

        return new DocumentationPage($"{rule.Id}.md", text.ToString());
    }

    private static DocumentationPage PageOf(KernelDifference info)
    {
        StringBuilder text = new(
            $"# {info.Id}\n\n{info.Effect}\n\n**Kernels.** {info.Affected}\n\n**Probe.** {info.Probe}\n\n**Source.** {info.Source}\n");
        string[] rules = [.. info.Decides.Select(rule => $"[{rule.Id}]({rule.Id}.md)")];
        if (rules.Length > 0)
        {
            text.Append("\nDecides ").AppendJoin(", ", rules).Append(".\n");
        }

        return new DocumentationPage($"{info.Id}.md", text.ToString());
    }
}
