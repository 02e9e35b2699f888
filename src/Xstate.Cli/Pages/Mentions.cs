using System.Collections.Frozen;
using System.Text.Json;
using System.Text.RegularExpressions;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Cli.Pages;

/// <summary>Rules, differences and kernels that answers mention, so that a page explains these and no others.</summary>
internal sealed partial class Mentions
{
    private static readonly FrozenDictionary<string, Rule> RulesById = Findings.Rules.All.ToFrozenDictionary(rule => rule.Id);
    private readonly HashSet<string> _ids = [];

    /// <summary>The rules, in the order of the catalogue.</summary>
    public IEnumerable<Rule> Rules => Findings.Rules.All.Where(rule => _ids.Contains(rule.Id));

    /// <summary>The differences, with those that decide a mentioned rule.</summary>
    public IEnumerable<KernelDifference> Differences =>
        KernelDifference.All.Where(difference => _ids.Contains(difference.Id) || difference.Decides.Any(rule => _ids.Contains(rule.Id)));

    /// <summary>Names of kernels, in their order.</summary>
    public List<string> Kernels { get; } = [];

    /// <summary>Looks through an answer.</summary>
    public void Add(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                Add(element.GetString()!);
                break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    Add(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (JsonProperty field in element.EnumerateObject())
                {
                    Add(field.Value);
                    AddKernel(field);
                }

                break;
            default:
                break;
        }
    }

    private void Add(string text)
    {
        if (RulesById.ContainsKey(text))
        {
            _ids.Add(text);
            return;
        }

        foreach (ValueMatch match in Id().EnumerateMatches(text))
        {
            _ids.Add(text.Substring(match.Index, match.Length));
        }
    }

    private void AddKernel(JsonProperty field)
    {
        if (field is { Name: "kernel", Value.ValueKind: JsonValueKind.String } && field.Value.GetString() is { Length: > 0 } name
            && !Kernels.Contains(name))
        {
            Kernels.Add(name);
        }
    }

    [GeneratedRegex(@"\bXS[0-9]{4}\b|\b[A-Z0-9]+(?:-[A-Z0-9]+){1,5}\b", RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Id();
}
