using Xstate.Findings;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>What to type next, as the last line of an answer that somebody sees.</summary>
internal static class NextCommand
{
    private const string Head = "next: ";
    private const string Indent = "        ";

    // What fix does not take of check's options.
    private static readonly string[] OfCheckAlone = ["--prove", "--accept", "--require", "--json", "--jsonl", "--files-from"];

    /// <summary>What follows a check: the repair that it found, or the rule behind what it says.</summary>
    /// <param name="output">Where to; nothing is written unless somebody sees it.</param>
    /// <param name="file">The file, of one.</param>
    /// <param name="targets">Its targets.</param>
    public static void AfterCheck(TextWriter output, string file, IReadOnlyList<CheckedTarget> targets)
    {
        if (output is not ITextLayout layout || targets.Count != 1)
        {
            return;
        }

        TargetOutcome outcome = targets[0].Outcome;
        string[] typed = Session.Current.Arguments;
        string? rule = outcome.Findings.FirstOrDefault(finding => finding.Severity == Severity.Error)?.Rule.Id;
        if (outcome.Verdict == Verdict.Repairable && typed is ["check", .. var rest] && File.Exists(file)
            && !typed.Any(word => OfCheckAlone.Any(option => word == option || word.StartsWith($"{option}=", StringComparison.Ordinal))))
        {
            Write(output, layout, ["xstate", "fix", .. rest, "-o", $"fixed-{Path.GetFileName(file)}"]);
        }
        else if (outcome.Verdict is Verdict.Differs or Verdict.Refused or Verdict.Dangerous && rule is not null)
        {
            Write(output, layout, ["xstate", "rules", rule]);
        }
    }

    /// <summary>What follows an answer, where that hangs on nothing else.</summary>
    /// <param name="output">Where to; nothing is written unless somebody sees it.</param>
    /// <param name="words">The command; none of its files is standard input or output.</param>
    public static void Suggest(TextWriter output, params string[] words)
    {
        if (output is ITextLayout layout && !words.Contains("-"))
        {
            Write(output, layout, ["xstate", .. words]);
        }
    }

    private static void Write(TextWriter output, ITextLayout layout, string[] words)
    {
        if (words.Any(word => word.EnumerateRunes().Any(TerminalWriter.IsUnsafe)))
        {
            return;
        }

        string before = Head;
        foreach (string line in TypedCommand.Break(words.Select(TypedCommand.Quote), Head, Indent, layout.Width))
        {
            output.Write(before);
            layout.Write(TextMark.Command, line[before.Length..]);
            output.WriteLine();
            before = Indent;
        }
    }
}
