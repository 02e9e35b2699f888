using Xstate.Findings;
using Xstate.Rehearsal;
using Xstate.Reports;

namespace Xstate.Cli.Output;

/// <summary>What to type next, as the last line of an answer that somebody sees.</summary>
internal static class NextCommand
{
    private const string Head = "next: ";
    private const string Indent = "        ";
    private const string Continued = " \\";

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

    // A line that is too long goes on behind a backslash, before an option if that is enough, so that it can be copied as it is.
    private static void Write(TextWriter output, ITextLayout layout, string[] words)
    {
        if (words.Any(word => word.EnumerateRunes().Any(TerminalWriter.IsUnsafe)))
        {
            return;
        }

        string line = Head;
        foreach (string unit in Units(words, layout))
        {
            bool isFirst = line.Length == Head.Length && line == Head;
            if (!isFirst && layout.Measure($"{line} {unit}{Continued}") > layout.Width)
            {
                WriteLine(output, layout, line + Continued);
                line = Indent + unit;
            }
            else
            {
                line += isFirst ? unit : $" {unit}";
            }
        }

        WriteLine(output, layout, line);
    }

    // An option with its values, unless they are wider than a line together.
    private static List<string> Units(string[] words, ITextLayout layout)
    {
        List<string> units = [];
        foreach (string word in words.Select(Quoted))
        {
            bool isJoined = units.Count > 0 && word[0] != '-'
                && layout.Measure($"{Indent}{units[^1]} {word}{Continued}") <= layout.Width;
            if (isJoined)
            {
                units[^1] += $" {word}";
            }
            else
            {
                units.Add(word);
            }
        }

        return units;
    }

    private static void WriteLine(TextWriter output, ITextLayout layout, string line)
    {
        int start = line.StartsWith(Head, StringComparison.Ordinal) ? Head.Length : Indent.Length;
        output.Write(line[..start]);
        layout.GoOnAt(Indent.Length);
        layout.Write(TextMark.Next, line[start..]);
        output.WriteLine();
    }

    private static string Quoted(string word) =>
        word.Length > 0 && word.All(letter => char.IsAsciiLetterOrDigit(letter) || "_@%+=:,./-".Contains(letter, StringComparison.Ordinal))
        ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}
