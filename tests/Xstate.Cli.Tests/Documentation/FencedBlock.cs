namespace Xstate.Cli.Tests.Documentation;

/// <summary>A fenced block of a page.</summary>
/// <param name="Line">The number of its first fence, from 1.</param>
/// <param name="Language">What stands behind the fence.</param>
/// <param name="Lines">What is between the fences.</param>
/// <param name="NotRun">The reason of a marker <c>&lt;!-- not run: REASON --&gt;</c> before it.</param>
/// <param name="RunsWith">The programs that a marker <c>&lt;!-- runs with: xxd, jq --&gt;</c> before it names; empty without one.</param>
internal sealed record FencedBlock(int Line, string Language, IReadOnlyList<string> Lines, string? NotRun, string[] RunsWith)
{
    private const string Prompt = "$ ";

    // Languages whose lines may be commands; the others are data and programs.
    private static readonly string[] Shells = ["", "console", "sh", "bash", "shell", "text"];

    /// <summary>Whether a reader finds commands in it.</summary>
    public bool HasCommands => Language == "console" || (Shells.Contains(Language) && Lines.Any(IsCommand));

    /// <summary>Its commands, each with the output behind it.</summary>
    public IEnumerable<ShownCommand> Commands
    {
        get
        {
            for (int i = 0; i < Lines.Count;)
            {
                int first = i;
                if (!Lines[i].StartsWith(Prompt, StringComparison.Ordinal))
                {
                    i++;
                    continue;
                }

                string text = Lines[i++][Prompt.Length..];
                while (text.EndsWith(" \\", StringComparison.Ordinal) && i < Lines.Count)
                {
                    text = text[..^1] + Lines[i++].TrimStart();
                }

                int shown = i;
                while (i < Lines.Count && !Lines[i].StartsWith(Prompt, StringComparison.Ordinal))
                {
                    i++;
                }

                yield return new ShownCommand(Line + 1 + first, text.TrimEnd(), shown - first, [.. Lines.Skip(shown).Take(i - shown)]);
            }
        }
    }

    private static bool IsCommand(string line) =>
        line.StartsWith(Prompt, StringComparison.Ordinal) || line.StartsWith("xstate ", StringComparison.Ordinal);
}
