using System.Text.Json;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Reports;

/// <summary>The rules and kernel behaviours, listed or explained.</summary>
internal static class RulesReport
{
    /// <summary>Writes the JSON answer.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="rules">The rules.</param>
    /// <param name="differences">The behaviours.</param>
    /// <param name="symptoms">The errors that the user's words found; none when rules were asked for.</param>
    public static void WriteJson(Stream output, IEnumerable<Rule> rules, IEnumerable<KernelDifference> differences,
        IReadOnlyList<Symptom> symptoms) =>
        JsonAnswer.Write(output, "rules", json =>
        {
            WriteSymptoms(json, symptoms);
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
                JsonAnswer.WriteStrings(json, "behaviors", KernelDifference.Deciding(rule).Select(difference => difference.Id));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            WriteBehaviors(json, differences, null);
        });

    /// <summary>Writes the JSON answer about a kernel: how its name was read, and what is known of it.</summary>
    public static void WriteJson(Stream output, KernelBehavior kernel, IEnumerable<KernelDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(kernel);
        JsonAnswer.Write(output, "rules", json =>
        {
            json.WriteString("kernel", kernel.Name);
            JsonAnswer.WriteKernelRead(json, kernel.Reading);
            json.WriteStartArray("rules");
            json.WriteEndArray();
            WriteBehaviors(json, differences, kernel);
        });
    }

    /// <summary>Errors, with the rules that may be behind each and the command that finds out which.</summary>
    public static void WriteSymptoms(TextWriter output, IReadOnlyList<Symptom> symptoms)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(symptoms);
        foreach (Symptom symptom in symptoms)
        {
            output.MarkLine("", TextMark.Heading, symptom.Text);
            output.WriteLine($"  printed by: {symptom.PrintedBy}");
            foreach (Rule rule in symptom.Rules)
            {
                output.WriteLine($"  {rule.Id}  {rule.Title}");
            }

            output.Write("  ");
            output.Mark(TextMark.Next, "find out which");
            output.WriteLine($": {symptom.Next}");
            output.WriteLine();
        }

        output.WriteLine("xstate rules ID explains one.");
    }

    private static void WriteSymptoms(Utf8JsonWriter json, IReadOnlyList<Symptom> symptoms)
    {
        if (symptoms.Count == 0)
        {
            return;
        }

        json.WriteStartArray("symptoms");
        foreach (Symptom symptom in symptoms)
        {
            json.WriteStartObject();
            json.WriteString("text", symptom.Text);
            json.WriteString("printedBy", symptom.PrintedBy);
            JsonAnswer.WriteStrings(json, "rules", symptom.Rules.Select(rule => rule.Id));
            json.WriteString("findOut", symptom.Next);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>How a kernel's name was read, and a line for each behaviour: present, absent or unknown, and why.</summary>
    public static void WriteText(TextWriter output, KernelBehavior kernel, IEnumerable<KernelDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(kernel);
        ArgumentNullException.ThrowIfNull(differences);
        output.MarkLine("", TextMark.Heading, kernel.Reading.Text);
        output.WriteLine(
            $"  read as: {(kernel.Reading.Title.Length == 0 ? kernel.Reading.Family : kernel.Reading.Title)}, base "
            + $"{kernel.Reading.Base}, {kernel.Reading.Confidence}");
        WriteLine(output, "kernel", kernel.Reading.Remark);
        WriteLine(output, "find out", kernel.Reading.Check);
        output.WriteLine();
        foreach (KernelDifference info in differences)
        {
            DifferenceFact fact = kernel.Fact(info);
            output.Write($"{info.Id,-22}  ");
            output.Mark(MarkOf(fact.Knowledge), NameOf(fact.Knowledge));
            output.WriteHanging(new string(' ', "present  ".Length - NameOf(fact.Knowledge).Length), fact.Why);
        }
    }

    private static TextMark MarkOf(Knowledge knowledge) => knowledge switch
    {
        Knowledge.Present => TextMark.Heading,
        Knowledge.Absent => TextMark.Aside,
        _ => TextMark.Doubtful,
    };

    /// <summary>present, absent or unknown.</summary>
    public static string NameOf(Knowledge knowledge) => knowledge switch
    {
        Knowledge.Present => "present",
        Knowledge.Absent => "absent",
        _ => "unknown",
    };

    private static void WriteLine(TextWriter output, string name, string? text)
    {
        if (text is not null)
        {
            output.WriteLine($"  {name}: {text}");
        }
    }

    private static void WriteBehaviors(Utf8JsonWriter json, IEnumerable<KernelDifference> differences, KernelBehavior? kernel)
    {
        json.WriteStartArray("behaviors");
        foreach (KernelDifference info in differences)
        {
            json.WriteStartObject();
            json.WriteString("behavior", info.Id);
            json.WriteString("effect", info.Effect);
            json.WriteString("affected", info.Affected);
            json.WriteString("probe", info.Probe);
            json.WriteString("source", info.Source);
            if (kernel is not null)
            {
                json.WriteString("knowledge", NameOf(kernel.Knows(info)));
                json.WriteString("why", kernel.Fact(info).Why);
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>One line a rule.</summary>
    public static void WriteList(TextWriter output, IEnumerable<Rule> rules, IEnumerable<KernelDifference> differences)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(rules);
        ArgumentNullException.ThrowIfNull(differences);
        foreach (Rule rule in rules)
        {
            output.Write($"{rule.Id}  ");
            output.Mark(TextLayouts.MarkOf(rule.Severity), $"{rule.Severity.ToString().ToLowerInvariant(),-7}");
            output.WriteHanging("  ", rule.Title);
        }

        output.WriteLine();
        foreach (KernelDifference info in differences)
        {
            output.WriteHanging($"{info.Id,-22}  ", info.Affected);
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
            output.Mark(TextMark.Heading, $"{rule.Id}: {rule.Title}");
            output.Write(" (");
            output.Mark(TextLayouts.MarkOf(rule.Severity), rule.Severity.ToString().ToLowerInvariant());
            output.WriteLine(")");
            output.WriteLine();
            WriteParagraph(output, rule.Explanation);
            output.WriteLine();
            output.Mark(TextMark.Next, "What to do");
            output.WriteLine($": {rule.Mend}");
            output.MarkLine("", TextMark.Aside, $"Source: {rule.Source}");
            foreach (KernelDifference difference in KernelDifference.Deciding(rule))
            {
                output.WriteLine($"Decided by: {difference.Id}, {difference.Affected}");
            }
        }

        foreach (KernelDifference info in differences)
        {
            output.MarkLine("", TextMark.Heading, info.Id);
            output.WriteLine();
            WriteParagraph(output, info.Effect);
            output.WriteLine();
            output.WriteLine($"Affected: {info.Affected}");
            output.WriteLine($"Probe: {info.Probe}");
            output.WriteLine($"Source: {info.Source}");
        }
    }

    private static void WriteParagraph(TextWriter output, string text)
    {
        output.GoOnAt(0);
        output.WriteLine(text);
    }
}
