using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Reports;

/// <summary>The rules and kernel behaviours, listed or explained.</summary>
public static class RulesReport
{
    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, IEnumerable<Rule> rules, IEnumerable<KernelDifference> differences) =>
        JsonAnswer.Write(output, "rules", json =>
        {
            json.WriteStartArray("rules");
            foreach (Rule rule in rules)
            {
                json.WriteStartObject();
                json.WriteString("rule", rule.Id);
                json.WriteString("severity", rule.Severity.ToString().ToLowerInvariant());
                json.WriteString("title", rule.Title);
                json.WriteString("explanation", rule.Explanation);
                json.WriteString("mend", rule.Mend);
                json.WriteString("source", rule.Source);
                json.WriteStartArray("behaviors");
                foreach (KernelDifference difference in KernelDifference.Deciding(rule))
                {
                    json.WriteStringValue(difference.Id);
                }

                json.WriteEndArray();
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("behaviors");
            foreach (KernelDifference info in differences)
            {
                json.WriteStartObject();
                json.WriteString("behavior", info.Id);
                json.WriteString("effect", info.Effect);
                json.WriteString("affected", info.Affected);
                json.WriteString("probe", info.Probe);
                json.WriteString("source", info.Source);
                json.WriteEndObject();
            }

            json.WriteEndArray();
        });

    /// <summary>One line a rule.</summary>
    public static void WriteList(TextWriter output, IEnumerable<Rule> rules, IEnumerable<KernelDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(differences);
        foreach (Rule rule in rules)
        {
            output.WriteLine($"{rule.Id}  {rule.Severity.ToString().ToLowerInvariant(),-7}  {rule.Title}");
        }

        output.WriteLine();
        foreach (KernelDifference info in differences)
        {
            output.WriteLine($"{info.Id,-22}  {info.Affected}");
        }
    }

    /// <summary>Everything about a rule or behaviour.</summary>
    public static void WriteExplanation(TextWriter output, IEnumerable<Rule> rules, IEnumerable<KernelDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(differences);
        foreach (Rule rule in rules)
        {
            output.WriteLine($"{rule.Id}: {rule.Title} ({rule.Severity.ToString().ToLowerInvariant()})");
            output.WriteLine();
            output.WriteLine(rule.Explanation);
            output.WriteLine();
            output.WriteLine($"What to do: {rule.Mend}");
            output.WriteLine($"Source: {rule.Source}");
            foreach (KernelDifference difference in KernelDifference.Deciding(rule))
            {
                output.WriteLine($"Decided by: {difference.Id}, {difference.Affected}");
            }
        }

        foreach (KernelDifference info in differences)
        {
            output.WriteLine(info.Id);
            output.WriteLine();
            output.WriteLine(info.Effect);
            output.WriteLine();
            output.WriteLine($"Affected: {info.Affected}");
            output.WriteLine($"Probe: {info.Probe}");
            output.WriteLine($"Source: {info.Source}");
        }
    }
}
