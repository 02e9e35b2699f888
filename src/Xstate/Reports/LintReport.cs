using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Findings;
using Xstate.Lint;

namespace Xstate.Reports;

/// <summary>What lint found in one CPUID.</summary>
/// <param name="Target">The CPUID.</param>
/// <param name="Findings">The contradictions.</param>
internal sealed record LintResult(LintTarget Target, IReadOnlyList<LintFinding> Findings);

/// <summary>What lint found in one file.</summary>
/// <param name="File">Its name.</param>
/// <param name="Format">What it is.</param>
/// <param name="Results">One for each CPUID in it.</param>
internal sealed record LintAnswer(string File, string Format, IReadOnlyList<LintResult> Results)
{
    /// <summary>The mended CPUID, if one was asked for.</summary>
    public MendedCpuid? Mended { get; init; }

    /// <summary>Where it was written.</summary>
    public string? Output { get; init; }

    /// <summary>Whether a contradiction stops a system.</summary>
    public bool HasError => Results.Any(result => result.Findings.Any(finding => finding.Severity == Severity.Error));
}

/// <summary>The answer of <c>lint</c>: text, JSON, and SARIF for code hosts.</summary>
internal static class LintReport
{
    /// <summary>What a line of a table says of each CPUID of a file: TABLE, VIEW, ERRORS, WARNINGS, RULES.</summary>
    public static IEnumerable<ImmutableArray<string>> RowsOf(LintAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(answer);
        return answer.Results.Select(result => ImmutableArray.Create(
            result.Target.Label.Length == 0 ? "-" : result.Target.Label,
            NameOf(result.Target.Context.View),
            Count(result, Severity.Error),
            Count(result, Severity.Warning),
            FindingText.RulesOf(result.Findings.Select(finding => finding.ToFinding()))));
    }

    /// <summary>Writes text for people.</summary>
    public static void WriteText(TextWriter output, IReadOnlyList<LintAnswer> answers)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answers);
        LintText.Write(output, answers);
    }

    /// <summary>Writes SARIF 2.1.0.</summary>
    public static void WriteSarif(Stream output, IReadOnlyList<LintAnswer> answers)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(answers);
        LintRule[] rules = [.. answers.SelectMany(a => a.Results).SelectMany(r => r.Findings).Select(f => f.Rule).Distinct()
            .OrderBy(r => r.Id, StringComparer.Ordinal)];
        using Utf8JsonWriter json = new(output, new JsonWriterOptions { Indented = true, NewLine = "\n" });
        json.WriteStartObject();
        json.WriteString("$schema", "https://json.schemastore.org/sarif-2.1.0.json");
        json.WriteString("version", "2.1.0");
        json.WriteStartArray("runs");
        json.WriteStartObject();
        json.WriteStartObject("tool");
        json.WriteStartObject("driver");
        json.WriteString("name", "xstate");
        json.WriteStartArray("rules");
        foreach (LintRule rule in rules)
        {
            WriteSarifRule(json, rule);
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartArray("results");
        foreach (LintAnswer answer in answers)
        {
            foreach (LintFinding finding in answer.Results.SelectMany(result => result.Findings))
            {
                WriteSarifResult(json, answer.File, finding, Array.IndexOf(rules, finding.Rule));
            }
        }

        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>The name of a view as the option takes it.</summary>
    public static string NameOf(LintView view) => view switch
    {
        LintView.BareMetal => "bare-metal",
        LintView.Guest => "guest",
        LintView.Kvm => "kvm",
        LintView.Tdx => "tdx",
        LintView.Snp => "snp",
        _ => throw new ArgumentOutOfRangeException(nameof(view), view, "not one view"),
    };

    /// <summary>Writes the fields of the JSON answer of one file behind version and verb.</summary>
    public static void WriteFields(Utf8JsonWriter json, LintAnswer answer)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(answer);
        json.WriteString("file", answer.File);
        json.WriteString("format", answer.Format);
        json.WriteString("view", answer.Results.Count == 0 ? null : NameOf(answer.Results[0].Target.Context.View));
        json.WriteNumber("rules", LintRules.All.Length);
        json.WriteStartArray("findings");
        foreach (LintResult result in answer.Results)
        {
            foreach (LintFinding finding in result.Findings)
            {
                Write(json, finding, result.Target);
            }
        }

        json.WriteEndArray();
        if (answer.Mended is { } mended)
        {
            JsonAnswer.WriteOptional(json, "output", answer.Output);
            json.WriteStartArray("changes");
            foreach (CpuidChange change in mended.Changes)
            {
                json.WriteStartObject();
                json.WriteString("leaf", change.Place.Field);
                json.WriteString("before", LintSink.Hex(change.Before));
                json.WriteString("after", LintSink.Hex(change.After));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteNumber("remaining", mended.Remaining.Length);
        }
    }

    private static string Count(LintResult result, Severity severity) =>
        result.Findings.Count(finding => finding.Severity == severity).ToString(CultureInfo.InvariantCulture);

    private static void Write(Utf8JsonWriter json, LintFinding finding, LintTarget target)
    {
        json.WriteStartObject();
        json.WriteString("rule", finding.Rule.Id);
        JsonAnswer.WriteStrings(json, "aliases", finding.Rule.Aliases);
        json.WriteString("severity", JsonAnswer.NameOf(finding.Severity));
        json.WriteStartObject("where");
        JsonAnswer.WriteOptional(json, "table", target.Label.Length == 0 ? null : target.Label);
        if (target.Dump.Processors.Length > 1)
        {
            json.WriteString("processor", target.Dump.Processors[finding.Processor].Label);
        }

        json.WriteString("leaf", finding.Place.Field);
        JsonAnswer.WriteOptional(json, "bits", finding.Place.Bits);
        json.WriteEndObject();
        JsonAnswer.WriteOptional(json, "found", finding.Found);
        JsonAnswer.WriteOptional(json, "expected", finding.Expected);
        json.WriteString("message", finding.Message);
        json.WriteStartArray("breaks");
        foreach (LintBreak one in finding.Breaks)
        {
            json.WriteStartObject();
            json.WriteString("who", one.Name);
            json.WriteString("how", one.How);
            json.WriteString("source", one.Source);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteString("mend", finding.Rule.Mend);
        json.WriteEndObject();
    }

    private static void WriteSarifRule(Utf8JsonWriter json, LintRule rule)
    {
        json.WriteStartObject();
        json.WriteString("id", rule.Id);
        json.WriteStartObject("shortDescription");
        json.WriteString("text", rule.Title);
        json.WriteEndObject();
        json.WriteStartObject("fullDescription");
        json.WriteString("text", rule.ToRule().Explanation);
        json.WriteEndObject();
        json.WriteStartObject("help");
        json.WriteString("text", rule.Mend);
        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteSarifResult(Utf8JsonWriter json, string file, LintFinding finding, int rule)
    {
        json.WriteStartObject();
        json.WriteString("ruleId", finding.Rule.Id);
        json.WriteNumber("ruleIndex", rule);
        json.WriteString("level", finding.Severity == Severity.Info ? "note" : JsonAnswer.NameOf(finding.Severity));
        json.WriteStartObject("message");
        json.WriteString("text", $"{finding.Place}: {finding.Message}");
        json.WriteEndObject();
        json.WriteStartArray("locations");
        json.WriteStartObject();
        json.WriteStartObject("physicalLocation");
        json.WriteStartObject("artifactLocation");
        json.WriteString("uri", Uri.EscapeDataString(file).Replace("%2F", "/", StringComparison.Ordinal));
        json.WriteEndObject();
        json.WriteEndObject();
        json.WriteStartArray("logicalLocations");
        json.WriteStartObject();
        json.WriteString("fullyQualifiedName", finding.Place.ToString());
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
