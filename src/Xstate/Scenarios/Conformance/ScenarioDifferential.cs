using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Xstate.Architecture;

namespace Xstate.Scenarios.Conformance;

/// <summary>Runs scenarios on two backends and compares their answers, but for the reasons that only a model gives.</summary>
/// <param name="model">The model.</param>
/// <param name="kernel">The kernel.</param>
/// <param name="alternative">
/// The same model with components that drift into use (<see cref="Hypervisors.Linux.LinuxHost.Drifting"/>), by number, for a processor that
/// was seen to do so. It does it when it likes: a scenario agrees when a run of it agrees with one of these models.
/// </param>
internal sealed class ScenarioDifferential(ScenarioBackend model, ScenarioBackend kernel, Func<int, ScenarioBackend>? alternative = null)
{
    private const string HexField = "\"hex\":\"";
    private readonly XsaveLayout _layout = XsaveLayout.FromCpuid(model.Cpuid);
    private readonly SortedSet<string> _rules = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _calls = new(StringComparer.Ordinal);

    /// <summary>Steps compared so far, by what they are.</summary>
    public IReadOnlyDictionary<string, long> Calls => _calls;

    /// <summary>Scenarios compared so far.</summary>
    public long Sequences { get; private set; }

    /// <summary>Steps that both refused, or that faulted or killed on both.</summary>
    public long Refusals { get; private set; }

    /// <summary>
    /// Answers that differ in bit 9 of XSTATE_BV alone while PKRU is 0. Whether that bit is set then is nobody's promise: a thread that
    /// goes on where nobody ran in between keeps XINUSE[9] clear, and anywhere else the kernel executes WRPKRU for it, which on Intel's
    /// processors sets it. Also scenarios that agreed only with an alternative model, or only when run again.
    /// </summary>
    public long Undecided { get; private set; }

    /// <summary>Ids of the rules by which the model refused steps that both refused.</summary>
    public IReadOnlySet<string> Rules => _rules;

    /// <summary>Bytes of answers compared so far, as text.</summary>
    public long Bytes { get; private set; }

    /// <summary>Compares one scenario; null when both agree.</summary>
    /// <param name="seed">The seed that it was made from.</param>
    /// <param name="scenario">The scenario, one line of JSON.</param>
    public ScenarioDisagreement? Compare(ulong seed, string scenario)
    {
        Sequences++;
        return Find(seed, scenario, count: true) is { } found ? Shorten(found) : null;
    }

    // The step that differs stays last; each one before it is dropped if the difference survives without it, and then each of its fields.
    private ScenarioDisagreement Shorten(ScenarioDisagreement found)
    {
        for (int i = Steps(found.Scenario).Count - 2; i >= 0; i--)
        {
            found = Try(found, steps => steps.RemoveAt(i)) ?? found;
        }

        for (int i = Steps(found.Scenario).Count - 1; i >= 0; i--)
        {
            foreach (string field in Steps(found.Scenario)[i]!.AsObject().Select(member => member.Key)
                .Where(key => key is not ("op" or "regset" or "get" or "vcpu")).ToList())
            {
                found = Try(found, steps => steps[i]!.AsObject().Remove(field)) ?? found;
            }

            foreach (string map in (ReadOnlySpan<string>)["components", "set"])
            {
                foreach (string field in Steps(found.Scenario)[i]![map]?.AsObject().Select(member => member.Key).ToList() ?? [])
                {
                    found = Try(found, steps => steps[i]![map]!.AsObject().Remove(field)) ?? found;
                }
            }
        }

        return found;
    }

    private ScenarioDisagreement? Try(ScenarioDisagreement found, Action<JsonArray> change)
    {
        JsonObject shorter = JsonNode.Parse(found.Scenario)!.AsObject();
        int before = shorter["steps"]!.AsArray().Count;
        change(shorter["steps"]!.AsArray());
        int steps = shorter["steps"]!.AsArray().Count;
        return Find(found.Seed, shorter.ToJsonString(), count: false) is { } still && still.Op == found.Op
            && Steps(still.Scenario).Count == steps && steps <= before ? still : null;
    }

    private static JsonArray Steps(string scenario) => JsonNode.Parse(scenario)!["steps"]!.AsArray();

    private ScenarioDisagreement? Find(ulong seed, string text, bool count)
    {
        using StringReader reader = new(text);
        Scenario scenario = ScenarioReader.Read(reader).Single();
        List<(string Op, string Answer)> modelled = Answers(scenario, model, count ? _rules : null);
        List<(string Op, string Answer)> real = Answers(scenario, kernel);
        int equal = Equal(modelled, real, count);
        if (count)
        {
            Count(modelled, equal);
        }

        if (equal == Math.Min(modelled.Count, real.Count))
        {
            return null;
        }

        for (int run = 0; alternative is not null && run < KvmDifferential.MaxRepeats; run++)
        {
            if (AgreesWithAlternative(scenario, real) || Agrees(modelled, real = Answers(scenario, kernel)))
            {
                Undecided += count ? 1 : 0;
                return null;
            }
        }

        // Run again it may have agreed for longer, or not as long.
        equal = Equal(modelled, real, count: false);
        JsonObject upToHere = JsonNode.Parse(text)!.AsObject();
        JsonArray steps = upToHere["steps"]!.AsArray();
        while (steps.Count > equal + 1)
        {
            steps.RemoveAt(steps.Count - 1);
        }

        return new ScenarioDisagreement(seed, upToHere.ToJsonString(), modelled[equal].Op, modelled[equal].Answer, real[equal].Answer);
    }

    private bool AgreesWithAlternative(Scenario scenario, List<(string Op, string Answer)> real)
    {
        for (int number = 0; number < KvmDifferential.Alternatives; number++)
        {
            if (Agrees(Answers(scenario, alternative!(number)), real))
            {
                return true;
            }
        }

        return false;
    }

    private bool Agrees(List<(string Op, string Answer)> modelled, List<(string Op, string Answer)> real) =>
        Equal(modelled, real, count: false) == Math.Min(modelled.Count, real.Count);

    // How many steps agree, before the first that does not.
    private int Equal(List<(string Op, string Answer)> modelled, List<(string Op, string Answer)> real, bool count)
    {
        int steps = Math.Min(modelled.Count, real.Count);
        for (int i = 0; i < steps; i++)
        {
            if (modelled[i].Answer == real[i].Answer)
            {
                continue;
            }

            if (!IsOnlyPkruInUse(modelled[i].Answer, real[i].Answer))
            {
                return i;
            }

            Undecided += count ? 1 : 0;
        }

        return steps;
    }

    private void Count(List<(string Op, string Answer)> modelled, int equal)
    {
        foreach ((string op, string answer) in modelled.Take(equal))
        {
            _calls[op] = _calls.GetValueOrDefault(op) + 1;
            Bytes += answer.Length;
            bool refused = answer.Contains("\"errno\":\"", StringComparison.Ordinal)
                || answer.Contains("\"fault\":", StringComparison.Ordinal)
                || answer.Contains("\"killedBy\":", StringComparison.Ordinal);
            Refusals += refused ? 1 : 0;
        }
    }

    private bool IsOnlyPkruInUse(string one, string other)
    {
        int hex = one.IndexOf(HexField, StringComparison.Ordinal);
        int digit = hex + HexField.Length + (2 * (XsaveFormat.XstateBvOffset + 1)) + 1;
        if (hex < 0 || one.Length != other.Length || digit >= one.Length - 1
            || !_layout.TryGetSlot(StateComponent.Pkru, out XsaveSlot slot))
        {
            return false;
        }

        // A read that was cut does not tell PKRU.
        if (one.Length < hex + HexField.Length + (2 * (slot.Offset + sizeof(uint))))
        {
            return false;
        }

        ReadOnlySpan<char> pkru = one.AsSpan(hex + HexField.Length)[(2 * slot.Offset)..(2 * (slot.Offset + sizeof(uint)))];
        return one.AsSpan(0, digit).SequenceEqual(other.AsSpan(0, digit)) && one.AsSpan(digit + 1).SequenceEqual(other.AsSpan(digit + 1))
            && ((one[digit] ^ other[digit]) & ~2) == 0 && pkru.IndexOfAnyExcept('0') < 0;
    }

    /// <summary>The answers of a backend to a scenario, without the reasons, whose rules are collected.</summary>
    internal static List<(string Op, string Answer)> Answers(Scenario scenario, ScenarioBackend backend, SortedSet<string>? rules = null)
    {
        using MemoryStream output = new();
        ScenarioRunner.Run(scenario, backend, output);
        using JsonDocument line = JsonDocument.Parse(output.ToArray());
        List<(string, string)> answers = [];
        if (line.RootElement.TryGetProperty("steps", out JsonElement steps))
        {
            foreach (JsonElement step in steps.EnumerateArray())
            {
                if (rules is not null && step.TryGetProperty("why", out JsonElement why)
                    && why.TryGetProperty("rule", out JsonElement rule))
                {
                    rules.Add(rule.GetString()!);
                }

                StringBuilder text = new();
                foreach (JsonProperty member in step.EnumerateObject().Where(member => member.Name != "why"))
                {
                    text.Append(text.Length == 0 ? '{' : ',').Append('"').Append(member.Name).Append("\":")
                        .Append(member.Value.GetRawText());
                }

                answers.Add((step.GetProperty("op").GetString()!, text.Append('}').ToString()));
            }
        }

        return answers;
    }
}
