using System.Text.RegularExpressions;
using Xstate.Tests.Support;

namespace Xstate.Cli.Tests.Documentation;

/// <summary>A page of the project: its fenced blocks, its links and its headings.</summary>
internal sealed partial class MarkdownPage
{
    private const string Fence = "```";

    private static readonly EnumerationOptions Everywhere = new()
    {
        RecurseSubdirectories = true,
        AttributesToSkip = FileAttributes.ReparsePoint,
    };

    private MarkdownPage(string name)
    {
        Name = name;
        Lines = File.ReadAllLines(Path.Combine(Repository.Root, name));
        List<FencedBlock> blocks = [];
        List<string> prose = [];
        for (int i = 0; i < Lines.Length; i++)
        {
            if (!Lines[i].TrimStart().StartsWith(Fence, StringComparison.Ordinal))
            {
                prose.Add(InlineCode().Replace(Lines[i], ""));
                continue;
            }

            int end = Array.FindIndex(Lines, i + 1, line => line.Trim() == Fence);
            Assert.True(end > i, $"{name}:{i + 1}: the block is not closed");
            string? marker = Lines[..i].LastOrDefault(line => line.Length > 0);
            Match reason = NotRun().Match(marker ?? "");
            string? notRun = reason.Success ? reason.Groups["reason"].Value : null;
            string[] programs = RunsWith().Match(marker ?? "").Groups["programs"].Value.Split(", ", StringSplitOptions.RemoveEmptyEntries);
            blocks.Add(new FencedBlock(i + 1, Lines[i].Trim()[Fence.Length..], Lines[(i + 1)..end], notRun, programs));
            i = end;
        }

        Blocks = blocks;
        Prose = prose;
    }

    /// <summary>Its path from the repository's root.</summary>
    public string Name { get; }

    public string[] Lines { get; }

    public IReadOnlyList<FencedBlock> Blocks { get; }

    /// <summary>Its lines outside blocks, without code.</summary>
    public IReadOnlyList<string> Prose { get; }

    /// <summary>Where its links lead to, those of the web left out.</summary>
    public IEnumerable<string> Links =>
        Prose.SelectMany(line => Link().Matches(line)).Select(match => match.Groups["to"].Value)
            .Where(link => !link.Contains("://", StringComparison.Ordinal));

    /// <summary>The names by which its headings are linked to.</summary>
    public IEnumerable<string> Anchors =>
        Lines.Where(line => Heading().IsMatch(line))
            .Select(line => NoAnchor().Replace(Heading().Replace(line, "").ToLowerInvariant(), "").Replace(' ', '-'));

    /// <summary>A page by its path from the repository's root.</summary>
    public static MarkdownPage Read(string name) => new(name);

    /// <summary>README.md and all of docs.</summary>
    public static IEnumerable<string> Documentation =>
        All.Where(name => name == "README.md" || name.StartsWith("docs/", StringComparison.Ordinal));

    /// <summary>All pages of the repository.</summary>
    public static IEnumerable<string> All =>
        Directory.EnumerateFiles(Repository.Root, "*.md", Everywhere)
            .Select(path => Path.GetRelativePath(Repository.Root, path).Replace('\\', '/'))
            .Where(name => !Built().IsMatch(name)).Order(StringComparer.Ordinal);

    [GeneratedRegex("^<!-- not run: (?<reason>.+) -->$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex NotRun();

    [GeneratedRegex("^<!-- runs with: (?<programs>.+) -->$", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex RunsWith();

    [GeneratedRegex(@"\]\((?<to>[^)\s]+)\)", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Link();

    [GeneratedRegex("`[^`]*`", RegexOptions.None, 1000)]
    private static partial Regex InlineCode();

    [GeneratedRegex("^#+ ", RegexOptions.None, 1000)]
    private static partial Regex Heading();

    [GeneratedRegex(@"[^\w\- ]", RegexOptions.None, 1000)]
    private static partial Regex NoAnchor();

    [GeneratedRegex("(^|/)(bin|obj|artifacts|node_modules)/", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Built();
}
