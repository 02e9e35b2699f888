using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;
using Xstate.Rehearsal;
using Xstate.Transforms;

namespace Xstate.Reports;

/// <summary>A target's outcome, with the proof if one was asked for.</summary>
/// <param name="Outcome">The prediction.</param>
/// <param name="Proof">The proof.</param>
internal sealed record CheckedTarget(TargetOutcome Outcome, ProofResult? Proof = null)
{
    /// <summary>HOST as it was asked for; null when there was no command line.</summary>
    public string? Argument { get; init; }
}

/// <summary>Whether a capture loads on each of its targets, and why not.</summary>
internal static class CheckReport
{
    private const int TextDifferences = 8;
    private const int MaxRegister = 32;
    private const int MostRepairs = 8;

    /// <summary>Writes the JSON answer.</summary>
    public static void WriteJson(Stream output, string file, IEnumerable<CheckedTarget> targets) =>
        JsonAnswer.Write(output, "check", json => WriteFields(json, file, targets, []));

    /// <summary>Writes the fields of the JSON answer behind version and verb.</summary>
    /// <param name="json">The answer.</param>
    /// <param name="file">The file.</param>
    /// <param name="targets">What becomes of it on each host.</param>
    /// <param name="unread">Hosts that could not be read.</param>
    public static void WriteFields(Utf8JsonWriter json, string file, IEnumerable<CheckedTarget> targets, IEnumerable<UnreadInput> unread)
    {
        ArgumentNullException.ThrowIfNull(json);
        ArgumentNullException.ThrowIfNull(targets);
        ArgumentNullException.ThrowIfNull(unread);
        json.WriteString("file", file);
        json.WriteStartArray("targets");
        foreach (CheckedTarget target in targets)
        {
            WriteTarget(json, target);
        }

        JsonAnswer.WriteUnread(json, "argument", unread);
        json.WriteEndArray();
    }

    /// <summary>Writes the fields of the JSON answer for a state that goes nowhere: what can be said of it alone.</summary>
    public static void WriteFindingsFields(Utf8JsonWriter json, string file, IEnumerable<Finding> findings)
    {
        WriteFields(json, file, [], []);
        JsonAnswer.WriteFindings(json, findings);
    }

    /// <summary>Writes text for people for a state that goes nowhere.</summary>
    public static void WriteFindingsText(TextWriter output, string file, IReadOnlyCollection<Finding> findings)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(findings);
        output.WriteLine(findings.Count == 0 ? $"{file}: nothing contradicts itself" : $"{file}:");
        FindingText.Write(output, findings, "thread", "  ");
    }

    /// <summary>Writes text for people: the verdict first, then why, then what to do.</summary>
    public static void WriteText(TextWriter output, string file, IReadOnlyCollection<CheckedTarget> targets)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(targets);
        foreach (CheckedTarget target in targets)
        {
            TargetOutcome outcome = target.Outcome;
            output.Mark(TextMark.Name, file);
            output.Write(" on ");
            output.Mark(TextMark.Name, Quotation.Cut(outcome.Host));
            output.WriteLine($" with {outcome.KernelRead?.Text ?? outcome.Kernel}, restored by {outcome.Vmm.Title}:");
            output.MarkLine("  ", TextLayouts.MarkOf(outcome.Verdict), Headline(outcome));
            output.MarkLine("  ", TextMark.Aside, ScopeOf(outcome));
            if (outcome.KernelRead?.Remark is { } remark)
            {
                output.WriteLine($"  kernel: {remark}");
            }

            FindingText.Write(output, outcome.Findings, UnitOf(outcome), "  ");
            WriteDependencies(output, outcome);
            WriteDifferences(output, outcome);
            WriteRepairs(output, outcome);
            if (target.Proof is { } proof)
            {
                (TextMark mark, string held) = proof.Held switch
                {
                    true => (TextMark.Fine, "held"),
                    false => (TextMark.Wrong, "DID NOT HOLD"),
                    null => (TextMark.None, "not possible"),
                };
                output.Write("  proof: ");
                output.Mark(mark, held);
                output.WriteLine($": {proof.Detail}");
            }

            output.WriteLine();
        }
    }

    /// <summary>What a line of a table says of a target: HOST, KERNEL, VERDICT, WHY.</summary>
    /// <param name="target">The target.</param>
    /// <param name="host">What the host is called where several have one name.</param>
    public static ImmutableArray<string> RowOf(CheckedTarget target, string host)
    {
        ArgumentNullException.ThrowIfNull(target);
        TargetOutcome outcome = target.Outcome;
        return [host, outcome.KernelRead?.Name ?? outcome.Kernel, NameOf(outcome.Verdict), WhyOf(outcome)];
    }

    /// <summary>What a line of a table says of a state that goes nowhere: VERDICT, WHY.</summary>
    public static ImmutableArray<string> RowOf(IReadOnlyCollection<Finding> findings)
    {
        ArgumentNullException.ThrowIfNull(findings);
        string[] rules = [.. findings.Where(finding => finding.Severity == Severity.Error).Select(finding => finding.Rule.Id).Distinct()];
        return [rules.Length == 0 ? "consistent" : "contradicts", FindingText.Listed(rules)];
    }

    /// <summary>
    /// Why a verdict is what it is, on one line: the refused call and its errno, rules, facts; empty for one that needs no reason.
    /// </summary>
    public static string WhyOf(TargetOutcome outcome)
    {
        ArgumentNullException.ThrowIfNull(outcome);
        if (outcome.Verdict is Verdict.Same or Verdict.Unknown)
        {
            string[] facts = [.. outcome.DependsOn.Select(dependency => dependency.Id ?? dependency.Fact)];
            return facts.Length == 0 ? "" : $"depends on {FindingText.Listed(facts)}";
        }

        string call = outcome.RefusedCall is null ? "" : outcome.Errno == Errno.None
            ? $"{outcome.RefusedCall} " : $"{outcome.RefusedCall} {outcome.Errno} ";
        string[] rules = [.. outcome.Findings.Where(finding => finding.Severity == Severity.Error).Select(finding => finding.Rule.Id)
            .Distinct()];
        string registers = rules.Length > 0 || outcome.Differences.IsEmpty ? FindingText.Listed(rules)
            : FindingText.Listed([.. outcome.Differences.Select(difference => difference.Register).Distinct()]);
        return $"{call}{registers}".TrimEnd();
    }

    /// <summary>The verdict's name in JSON.</summary>
    public static string NameOf(Verdict verdict) => verdict switch
    {
        Verdict.Same => "same",
        Verdict.Unknown => "unknown",
        Verdict.Differs => "differs",
        Verdict.Repairable => "repairable",
        Verdict.Refused => "refused",
        Verdict.Dangerous => "dangerous",
        _ => throw new ArgumentOutOfRangeException(nameof(verdict)),
    };

    internal static string UnitOf(TargetOutcome outcome) => outcome.Vmm.Restores == CaptureKind.Process ? "thread" : "vcpu";

    // What was looked at, and what a reader might think was.
    private static string ScopeOf(TargetOutcome outcome)
    {
        if (outcome.Vmm.Restores == CaptureKind.Process)
        {
            return outcome.Recorded is { } recorded
                ? $"looked at: {recorded.Describe()}; not at other components, which are not in the file, "
                    + "nor at memory, files or other registers"
                : $"looked at: {string.Join(", ", outcome.Scope)}; not at memory, files or other registers";
        }

        bool hasFeatures = outcome.Scope.Contains(TargetOutcome.CpuidFeatures);
        return $"looked at: {string.Join(", ", outcome.Scope)}; not at "
            + $"{(hasFeatures ? "" : "CPUID features (--guest-cpuid FILE), ")}devices, memory, machine type, other MSRs";
    }

    private static string Headline(TargetOutcome outcome)
    {
        string who = outcome.Vmm.Restores == CaptureKind.Process ? "process" : "guest";
        string answer = outcome.RefusedCall is null
            ? outcome.Verdict == Verdict.Refused || (outcome.Verdict == Verdict.Repairable && outcome.Differences.IsEmpty)
            ? "REFUSED before any register is loaded" : $"loads, but the {who} would see something else"
            : outcome.Errno == Errno.None ? $"REFUSED by {outcome.RefusedCall}" : $"REFUSED: {outcome.RefusedCall} answers {outcome.Errno}";
        return outcome.Verdict switch
        {
            Verdict.Same => $"LOADS, and the {who} sees the same",
            Verdict.Unknown => "UNKNOWN: it depends on what is not known",
            Verdict.Differs => $"DIFFERS: it loads, but the {who} sees something else",
            Verdict.Repairable => $"{answer}; LOADS AFTER A REPAIR"
                + (outcome.DiffersAfterRepair ? $", and the {who} still sees something else" : ""),
            Verdict.Refused => $"{answer}; no repair without loss helps",
            Verdict.Dangerous => "DANGER: loading it can crash the host kernel",
            _ => throw new ArgumentOutOfRangeException(nameof(outcome)),
        };
    }

    internal static void WriteDependencies(TextWriter output, TargetOutcome outcome)
    {
        foreach (Dependency dependency in outcome.DependsOn)
        {
            output.Write("  ");
            output.Mark(TextMark.Doubtful, $"depends on {dependency.Fact}{(dependency.Id is { } id ? $" {id}" : "")}");
            output.WriteLine($": {dependency.Why}");
            foreach (DependencyOutcome under in dependency.Outcomes)
            {
                string call = under.Call is null ? "" : under.Errno == Errno.None
                    ? $" by {under.Call}" : $" ({under.Call} answers {under.Errno})";
                output.Write("    ");
                output.Mark(TextLayouts.MarkOf(under.Verdict), NameOf(under.Verdict));
                output.WriteLine($"{call} if {under.Value}{(under.Rules.IsEmpty ? "" : $": {string.Join(", ", under.Rules)}")}");
            }

            output.Write("    ");
            output.Mark(TextMark.Next, "find out");
            output.WriteLine($": {dependency.FindOut}");
        }
    }

    private static void WriteDifferences(TextWriter output, TargetOutcome outcome)
    {
        bool all = output is ITextLayout { ListsAll: true } or ITextDetail { ListsAll: true };
        int shown = all ? outcome.Differences.Length : TextDifferences;
        foreach (RegisterDifference difference in outcome.Differences.Take(shown))
        {
            // Of a long register the first byte that changes and what follows it.
            int same = difference.Before.Length <= MaxRegister ? 0 : difference.Before.AsSpan().CommonPrefixLength(difference.After) & -2;
            string from = same == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" from byte {same / 2}");
            output.WriteLine(
                $"  {UnitOf(outcome)} {difference.Vcpu} {difference.Register}{from}: {Shorten(difference.Before[same..])} becomes "
                + $"{Shorten(difference.After[same..])}");
        }

        if (outcome.Differences.Length > shown)
        {
            string option = output is ITextLayout or ITextDetail ? "--details" : "--json";
            output.MarkLine("  ", TextMark.Aside, $"and {outcome.Differences.Length - shown} more registers ({option} lists them)");
        }
    }

    private static string Shorten(string register) => register.Length <= MaxRegister ? register : $"{register.AsSpan(0, MaxRegister)}…";

    private static void WriteRepairs(TextWriter output, TargetOutcome outcome)
    {
        if (outcome.Repairs.IsEmpty)
        {
            return;
        }

        output.MarkLine("  ", TextMark.Heading,
            outcome.Repaired is null ? "a repair would do this, which is not enough:" : "repair (xstate fix does it):");
        output.WriteList(outcome.Repairs, MostRepairs, "    ", ("step", "steps"),
            step => output.WriteLine($"    {UnitOf(outcome)} {step.Vcpu}: {step.Message}"));
    }

    private static void WriteTarget(Utf8JsonWriter json, CheckedTarget target)
    {
        TargetOutcome outcome = target.Outcome;
        json.WriteStartObject();
        JsonAnswer.WriteOptional(json, "argument", target.Argument);
        json.WriteString("host", outcome.Host);
        json.WriteString("kernel", outcome.Kernel);
        JsonAnswer.WriteKernelRead(json, outcome.KernelRead);
        json.WriteString("vmm", outcome.Vmm.Id);
        json.WriteString("verdict", NameOf(outcome.Verdict));
        if (outcome.Verdict == Verdict.Repairable)
        {
            json.WriteString("afterRepair", NameOf(outcome.DiffersAfterRepair ? Verdict.Differs : Verdict.Same));
        }

        JsonAnswer.WriteStrings(json, "scope", outcome.Scope);
        JsonAnswer.WriteOptional(json, "recorded", outcome.Recorded?.ToString());
        if (outcome.Errno != Errno.None)
        {
            json.WriteString("errno", outcome.Errno.ToString());
        }

        JsonAnswer.WriteOptional(json, "call", outcome.RefusedCall);
        JsonAnswer.WriteFindings(json, outcome.Findings);
        json.WriteStartArray("differences");
        foreach (RegisterDifference difference in outcome.Differences)
        {
            json.WriteStartObject();
            json.WriteNumber("vcpu", difference.Vcpu);
            json.WriteString("register", difference.Register);
            json.WriteString("before", difference.Before);
            json.WriteString("after", difference.After);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        WriteRepairs(json, outcome.Repairs);
        WriteDependencies(json, outcome.DependsOn);
        if (target.Proof is { } proof)
        {
            json.WriteStartObject("proof");
            json.WriteString("result", proof.Held switch { true => "held", false => "failed", null => "impossible" });
            json.WriteString("detail", proof.Detail);
            json.WriteEndObject();
        }

        json.WriteEndObject();
    }

    private static void WriteDependencies(Utf8JsonWriter json, ImmutableArray<Dependency> dependsOn)
    {
        if (dependsOn.IsEmpty)
        {
            return;
        }

        json.WriteStartArray("dependsOn");
        foreach (Dependency dependency in dependsOn)
        {
            json.WriteStartObject();
            json.WriteString("fact", dependency.Fact);
            JsonAnswer.WriteOptional(json, "id", dependency.Id);
            json.WriteString("why", dependency.Why);
            json.WriteString("findOut", dependency.FindOut);
            json.WriteStartArray("outcomes");
            foreach (DependencyOutcome outcome in dependency.Outcomes)
            {
                json.WriteStartObject();
                json.WriteString("value", outcome.Value);
                json.WriteString("verdict", NameOf(outcome.Verdict));
                JsonAnswer.WriteOptional(json, "call", outcome.Call);
                JsonAnswer.WriteOptional(json, "errno", outcome.Errno == Errno.None ? null : outcome.Errno.ToString());
                JsonAnswer.WriteStrings(json, "rules", outcome.Rules);
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    internal static void WriteRepairs(Utf8JsonWriter json, IEnumerable<RepairStep> repairs, string name = "repairs")
    {
        json.WriteStartArray(name);
        foreach (RepairStep step in repairs)
        {
            json.WriteStartObject();
            json.WriteString("kind", step.Kind.ToString().ToLowerInvariant());
            json.WriteNumber("vcpu", step.Vcpu);
            json.WriteString("message", step.Message);
            if (step.Offset is { } offset)
            {
                json.WriteNumber("offset", offset);
            }

            json.WriteBoolean("losesState", step.LosesState);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }
}
