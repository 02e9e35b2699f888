using System.Collections.Immutable;
using System.Globalization;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;
using Xstate.Hypervisors;

namespace Xstate.Rehearsal;

/// <summary>
/// Rehearses with every value of the facts that nobody knows, and says what follows whichever it is. A guess that decides an outcome is
/// never given as an answer: outcomes that differ make the verdict unknown when one of them would be fine, and the worst of them when none
/// is.
/// </summary>
internal static class Alternatives
{
    /// <summary>Runs at most; beyond that the verdict is unknown.</summary>
    public const int MaxRuns = 64;

    private const int MaxRepairs = 4;

    /// <summary>Rehearses.</summary>
    /// <param name="run">One rehearsal, which asks for open facts as it needs them.</param>
    /// <param name="again">Rehearses a repaired capture with all alternatives.</param>
    /// <param name="force">Whether repairs may drop state that the guest can see.</param>
    public static TargetOutcome Rehearse(Func<FactChoices, TargetOutcome> run, Func<Capture, TargetOutcome?> again, bool force)
    {
        FactChoices first = new([]);
        TargetOutcome outcome = run(first);
        Repairs repairs = new(again, force);
        if (first.Asked.Count == 0)
        {
            return repairs.Confirmed(outcome);
        }

        List<Run> runs = [new Run([.. first.Asked], outcome)];
        bool isComplete = RunOthers(run, first, runs);
        return Merge(runs, isComplete, repairs);
    }

    private static bool RunOthers(Func<FactChoices, TargetOutcome> run, FactChoices first, List<Run> runs)
    {
        Queue<ImmutableArray<int>> pending = new();
        AddOthers(pending, first);
        while (pending.TryDequeue(out ImmutableArray<int> decided))
        {
            if (runs.Count == MaxRuns)
            {
                return false;
            }

            FactChoices choices = new(decided);
            TargetOutcome outcome = run(choices);
            runs.Add(new Run([.. choices.Asked], outcome));
            AddOthers(pending, choices);
        }

        return true;
    }

    // A run took the first value of every fact that it asked for beyond those decided: the other values are runs of their own.
    private static void AddOthers(Queue<ImmutableArray<int>> pending, FactChoices choices)
    {
        for (int i = choices.DecidedCount; i < choices.Asked.Count; i++)
        {
            ImmutableArray<int> before = [.. choices.Asked.Take(i).Select(asked => asked.Value)];
            for (int value = 1; value < choices.Asked[i].Fact.Values.Length; value++)
            {
                pending.Enqueue(before.Add(value));
            }
        }
    }

    private static TargetOutcome Merge(List<Run> runs, bool isComplete, Repairs repairs)
    {
        OpenFact[] asked = [.. runs.SelectMany(run => run.Asked).Select(chosen => chosen.Fact).DistinctBy(fact => fact.Key)];
        if (!isComplete)
        {
            string facts = string.Join(", ", asked.Select(Name));
            return Unknown(runs, [.. asked.Select(fact => DependencyOf(fact, runs))]) with
            {
                Findings = [RestoreRehearsal.OfRule(Rules.DependsOnUnknownFact,
                    $"too many facts are not known to try all of their values: {facts}", new FindingLocation()), .. Common(runs)],
            };
        }

        if (Agree(runs))
        {
            TargetOutcome? repair = runs[0].Outcome.Verdict == Verdict.Repairable ? repairs.ForAll(runs) : null;
            if (runs[0].Outcome.Verdict != Verdict.Repairable || repair is not null)
            {
                return Agreed(runs, asked, repair);
            }
        }

        Dependency[] dependencies = [.. asked.Where(fact => Decides(fact, runs)).Select(fact => DependencyOf(fact, runs))];
        ImmutableArray<Dependency> dependsOn = [.. dependencies.Length > 0 ? dependencies : asked.Select(fact => DependencyOf(fact, runs))];
        if (!Agree(runs) && VerdictOf(runs) != Verdict.Unknown)
        {
            TargetOutcome worst = runs.MaxBy(run => run.Outcome.Verdict)!.Outcome;
            TargetOutcome? safe = repairs.ForAll(runs);
            return worst with
            {
                Findings = [.. Findings(dependsOn), .. worst.Findings],
                DependsOn = dependsOn,
                Repaired = safe?.Repaired,
                Repairs = safe?.Repairs ?? worst.Repairs,
            };
        }

        TargetOutcome unknown = Unknown(runs, dependsOn);
        return repairs.ForAll(runs) is { } always ? unknown with { Repaired = always.Repaired, Repairs = always.Repairs } : unknown;
    }

    private static TargetOutcome Unknown(List<Run> runs, ImmutableArray<Dependency> dependsOn) => runs[0].Outcome with
    {
        Verdict = Verdict.Unknown,
        Errno = Errno.None,
        RefusedCall = null,
        Findings = [.. Findings(dependsOn), .. Common(runs)],
        Differences = [],
        Repairs = [],
        Repaired = null,
        DependsOn = dependsOn,
    };

    // Outcomes agree in what matters; what is only worth knowing under some values is kept.
    private static TargetOutcome Agreed(List<Run> runs, OpenFact[] asked, TargetOutcome? repair)
    {
        TargetOutcome first = runs[0].Outcome;
        IEnumerable<Finding> more = runs.Skip(1).SelectMany(run => run.Outcome.Findings)
            .Where(finding => finding.Severity == Severity.Warning && !first.Findings.Any(seen => IsSame(seen, finding)))
            .DistinctBy(finding => (finding.Rule, finding.Where));
        Finding info = RestoreRehearsal.OfRule(Rules.UnknownFactDoesNotMatter,
            $"{string.Join("; ", asked.Select(WhyOf).Distinct())}: the answer is the same whichever it is", new FindingLocation());
        return first with
        {
            Findings = [.. first.Findings, .. more, info],
            Repaired = repair?.Repaired,
            Repairs = repair?.Repairs
            ?? first.Repairs
        };
    }

    private static IEnumerable<Finding> Findings(ImmutableArray<Dependency> dependsOn)
    {
        foreach (Dependency dependency in dependsOn)
        {
            Rule rule = dependency.Fact switch
            {
                OpenFact.Layout => Rules.LayoutGuessed,
                OpenFact.GuestCpuid => Rules.GuestCpuidUnknown,
                _ => Rules.DependsOnUnknownFact
            };
            string what = dependency.Fact == OpenFact.KernelDifference
                ? $"whether the target's kernel has {dependency.Id} is not known ({dependency.Why})" : dependency.Why;
            yield return RestoreRehearsal.OfRule(rule, $"{what}, and the answer depends on it",
                new FindingLocation()) with
            { Mend = dependency.FindOut };
        }
    }

    private static IEnumerable<Finding> Common(List<Run> runs) =>
        runs[0].Outcome.Findings.Where(finding => runs.TrueForAll(run => run.Outcome.Findings.Any(other => IsSame(finding, other))));

    private static bool IsSame(Finding one, Finding other) => one.Rule == other.Rule && one.Where == other.Where;

    private static Dependency DependencyOf(OpenFact fact, List<Run> runs)
    {
        ImmutableArray<DependencyOutcome>.Builder outcomes = ImmutableArray.CreateBuilder<DependencyOutcome>();
        for (int value = 0; value < fact.Values.Length; value++)
        {
            List<Run> under = runs.FindAll(run => run.ValueOf(fact) == value);
            if (under.Count > 0)
            {
                outcomes.Add(OutcomeOf(fact.Values[value], under));
            }
        }

        return new Dependency(fact.Kind, fact.Id, fact.Why, fact.FindOut, outcomes.ToImmutable());
    }

    private static DependencyOutcome OutcomeOf(string value, List<Run> under)
    {
        Verdict verdict = VerdictOf(under);
        TargetOutcome? worst = verdict == Verdict.Unknown ? null : under.MaxBy(run => run.Outcome.Verdict)!.Outcome;
        ImmutableArray<string> rules = [.. (worst?.Findings ?? []).Where(finding => finding.Severity == Severity.Error)
            .Select(finding => finding.Rule.Id).Distinct()];
        return new DependencyOutcome(value, verdict, worst?.RefusedCall, worst?.Errno ?? Errno.None, rules);
    }

    private static Verdict VerdictOf(List<Run> runs) =>
        Agree(runs) ? runs[0].Outcome.Verdict
        : runs.Exists(run => run.Outcome.Verdict is Verdict.Same or Verdict.Repairable or Verdict.Unknown) ? Verdict.Unknown
        : runs.Max(run => run.Outcome.Verdict);

    private static bool Agree(List<Run> runs) => runs.TrueForAll(run => run.Signature == runs[0].Signature);

    // Whether runs with different values of a fact have different sets of outcomes.
    private static bool Decides(OpenFact fact, List<Run> runs)
    {
        string[] sets =
        [
            .. runs.Where(run => run.ValueOf(fact) is not null).GroupBy(run => run.ValueOf(fact))
                .Select(group => string.Join('\n', group.Select(run => run.Signature).Distinct().Order(StringComparer.Ordinal))).Distinct(),
        ];
        return sets.Length > 1;
    }

    private static string WhyOf(OpenFact fact) => fact.Kind == OpenFact.KernelDifference
        ? $"whether the target's kernel has {fact.Id} is not known" : fact.Why;

    private static string Name(OpenFact fact) => fact.Id is null
        ? fact.Kind : string.Create(CultureInfo.InvariantCulture, $"{fact.Kind} {fact.Id}");

    /// <summary>Looks for one repair that does for all values of the facts.</summary>
    private sealed class Repairs(Func<Capture, TargetOutcome?> again, bool force)
    {
        /// <summary>
        /// A repair that loses nothing, unless by force, and loads whatever the facts are; null for none. Each run's own repair is a
        /// candidate for all.
        /// </summary>
        public TargetOutcome? ForAll(List<Run> runs) =>
            runs.Select(run => run.Outcome)
                .Where(outcome => outcome is { Verdict: Verdict.Repairable, Repaired: not null }
                    && (force || outcome.Repairs.All(step => !step.LosesState)))
                .DistinctBy(outcome => BytesOf(outcome.Repaired!)).Take(MaxRepairs)
                .FirstOrDefault(candidate => (force || runs.TrueForAll(run => Keeps(run.Outcome, candidate.Repaired!)))
                    && again(candidate.Repaired!) is { } after && IsWorthMaking(after));

        /// <summary>
        /// An outcome without a repair that does not hold when it is rehearsed: damage in several places can be mended one by one and still
        /// not load the same.
        /// </summary>
        public TargetOutcome Confirmed(TargetOutcome outcome)
        {
            if (outcome is not { Verdict: Verdict.Repairable, Repaired: { } repaired } || again(repaired) is not { } after
                || IsWorthMaking(after))
            {
                return outcome;
            }

            return outcome with
            {
                Verdict = outcome.RefusedCall is null ? Verdict.Differs : Verdict.Refused,
                Repaired = null,
                Repairs = [],
                DiffersAfterRepair = false,
            };
        }

        // No repair of the state gives the target an instruction, so that one is still worth making.
        private static bool LacksInstructions(TargetOutcome after) =>
            after.Verdict == Verdict.Differs && after.Findings.Any(finding => finding.Rule == Rules.PromisedInstructionsLacking);

        private bool IsWorthMaking(TargetOutcome after) => Helps(after.Verdict) || LacksInstructions(after);

        private bool Helps(Verdict after) => after == Verdict.Same || (force && after == Verdict.Differs);

        // Whether a repaired capture has every register that the guest of a run can see, as it was.
        private static bool Keeps(TargetOutcome run, Capture repaired)
        {
            if (run.Rehearsed is not { } original)
            {
                return false;
            }

            for (int i = 0; i < original.States.Length; i++)
            {
                CapturedState before = original.States[i];
                CapturedState after = repaired.States[i];
                after = after with { Layout = after.Layout is { Provenance.Source: not FactSource.Guess } known ? known : before.Layout };
                StateComponentSet seen = (before.GuestCpuid?.Value.UserComponents ?? before.Components) | StateComponentSet.Legacy;
                StateComponentSet disabled = before.Xfd?.Value ?? StateComponentSet.Empty;
                Dictionary<string, string> now = RegisterDump.Of(after, seen, disabled)
                    .ToDictionary(register => register.Name, register => register.Text);
                if (RegisterDump.Of(before, seen, disabled).Any(register => !now.TryGetValue(register.Name, out string? text)
                    || !register.CanBe(text)))
                {
                    return false;
                }
            }

            return true;
        }

        private static string BytesOf(Capture capture) => string.Join('|', capture.States.Select(state =>
            $"{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(state.Area.Span))}"
            + $"{state.Stored?.XstateBv.Value.Bits:x}{state.Stored?.X87Order.Value}{state.Xcr0?.Value.Bits:x}"));
    }

    /// <summary>One rehearsal.</summary>
    private sealed class Run(ImmutableArray<ChosenFact> asked, TargetOutcome outcome)
    {
        public ImmutableArray<ChosenFact> Asked { get; } = asked;

        public TargetOutcome Outcome { get; } = outcome;

        /// <summary>What has to agree: verdict, call, errno, and what is wrong where.</summary>
        public string Signature { get; } = SignatureOf(outcome);

        public int? ValueOf(OpenFact fact)
        {
            foreach (ChosenFact chosen in Asked)
            {
                if (chosen.Fact.Key == fact.Key)
                {
                    return chosen.Value;
                }
            }

            return null;
        }

        private static string SignatureOf(TargetOutcome outcome)
        {
            IEnumerable<string> errors = outcome.Findings.Where(finding => finding.Severity == Severity.Error)
                .Select(finding => $"{finding.Rule},{finding.Where.Vcpu},{finding.Where.Register}");
            IEnumerable<string> registers = outcome.Differences.Select(difference => $"{difference.Vcpu},{difference.Register}");
            string found = string.Join(';', errors.Concat(registers).Distinct().Order(StringComparer.Ordinal));
            return $"{outcome.Verdict}|{outcome.RefusedCall}|{outcome.Errno}|{found}";
        }
    }
}
