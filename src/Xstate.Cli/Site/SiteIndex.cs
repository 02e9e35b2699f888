using System.Collections.Frozen;
using System.Text;
using System.Text.RegularExpressions;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Lint;

namespace Xstate.Cli.Site;

/// <summary>Where the page of each thing with a name is, and text with links to what it names.</summary>
internal static partial class SiteIndex
{
    /// <summary>The rules of findings and those of lint, in their order.</summary>
    public static IReadOnlyList<Rule> Rules { get; } =
        [.. Findings.Rules.All.Concat(LintRules.Own).OrderBy(rule => rule.Id, StringComparer.Ordinal)];

    private static readonly FrozenDictionary<string, string> ById =
        Rules.Select(rule => rule.Id).Concat(KernelDifference.All.Select(difference => difference.Id))
            .ToFrozenDictionary(id => id, PathOf, StringComparer.Ordinal);

    /// <summary>The page of a rule or a difference.</summary>
    public static string PathOf(string id) => $"rules/{id}.html";

    /// <summary>The page of a symptom.</summary>
    public static string PathOf(Symptom symptom) => $"symptoms/{SitePath.Slug(symptom.Text)}.html";

    /// <summary>A link.</summary>
    public static Html Link(string from, string to, Html text) => Html.Of($"<a href=\"{SitePath.Between(from, to)}\">{text}</a>");

    /// <summary>A link to the page of a rule or a difference.</summary>
    public static Html Link(string from, string id) => Link(from, PathOf(id), Html.Of($"<code>{id}</code>"));

    /// <summary>Text in which the ids of rules and differences are links; on their own page they are not.</summary>
    public static Html Linked(string from, string text)
    {
        StringBuilder markup = new();
        int done = 0;
        foreach (ValueMatch match in Id().EnumerateMatches(text))
        {
            string id = text.Substring(match.Index, match.Length);
            if (!ById.TryGetValue(id, out string? path) || path == from)
            {
                continue;
            }

            markup.Append(Html.Of($"{text[done..match.Index]}{Link(from, path, Html.Of($"{id}"))}").Text);
            done = match.Index + match.Length;
        }

        return new Html(markup.Append(Html.Of($"{text[done..]}").Text).ToString());
    }

    [GeneratedRegex(@"\bXS[0-9]{4}\b|\b(?:KVM|PTRACE|SIG|X86|X86FPU)(?:-[A-Z0-9]+)+\b", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Id();
}
