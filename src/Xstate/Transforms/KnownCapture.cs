using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Captures;
using Xstate.Findings;

namespace Xstate.Transforms;

/// <summary>
/// A capture with what is known of the processor that wrote it, in this order of belief: what the artifact holds, what the user gave, what
/// can be inferred because only one kind of processor fits. What is left open has a guess for showing, and <see cref="Families"/> for
/// whoever must not guess.
/// </summary>
/// <param name="Capture">The capture with a layout on every state; one that is open has its first possibility as a guess.</param>
/// <param name="Families">The processors that could have written the states whose layout is open; empty when none is open, and when no
/// known processor fits.</param>
/// <param name="Findings">What has to be said about that.</param>
internal sealed record KnownCapture(Capture Capture, ImmutableArray<LayoutFamily> Families, ImmutableArray<Finding> Findings)
{
    /// <summary>Whether the layout of some state is a guess.</summary>
    public bool IsLayoutOpen => Capture.States.Any(state => IsGuess(state));

    /// <summary>Completes a capture.</summary>
    public static KnownCapture Of(Capture capture)
    {
        ArgumentNullException.ThrowIfNull(capture);
        bool isProcess = capture.Kind == CaptureKind.Process;
        ImmutableArray<Finding>.Builder findings = ImmutableArray.CreateBuilder<Finding>();
        AddEqualIds(findings, capture);
        ImmutableArray<WriterLayout> writers = WriterLayout.Of(capture);
        ImmutableArray<CapturedState>.Builder states = ImmutableArray.CreateBuilder<CapturedState>(writers.Length);
        for (int i = 0; i < writers.Length; i++)
        {
            CapturedState state = capture.States[i];
            if (writers[i].Layout is { } known)
            {
                states.Add(state with { Layout = known });
                continue;
            }

            Fact<XsaveLayout> guess = state.Layout ?? Guess(writers[i].Families);
            AddGuess(findings, state, guess, writers[i].Families, isProcess);
            states.Add(state with { Layout = guess });
        }

        ImmutableArray<LayoutFamily> families = writers.FirstOrDefault(writer => writer.Layout is null)?.Families ?? [];
        findings.AddRange(CpuidOffer.Check(capture));
        return new KnownCapture(capture with { States = states.MoveToImmutable() }, families, findings.ToImmutable());
    }

    /// <summary>The capture as one of <see cref="Families"/> wrote it.</summary>
    public Capture WrittenBy(LayoutFamily family)
    {
        ArgumentNullException.ThrowIfNull(family);
        Fact<XsaveLayout> assumed = new(family.Layout, FactSource.Guess, $"as {family.Family} places it");
        return Capture with { States = [.. Capture.States.Select(state => IsGuess(state) ? state with { Layout = assumed } : state)] };
    }

    private static bool IsGuess(CapturedState state) => state.Layout is null or { Provenance.Source: FactSource.Guess };

    private static Fact<XsaveLayout> Guess(ImmutableArray<LayoutFamily> families) => families switch
    {
        [var first, ..] => new Fact<XsaveLayout>(first.Layout, FactSource.Guess,
            $"one of {string.Join(", ", families.Select(family => family.Family))}"),
        _ => new Fact<XsaveLayout>(XsaveLayout.LegacyOnly, FactSource.Guess, "legacy region only"),
    };

    private static void AddGuess(
        ImmutableArray<Finding>.Builder findings, CapturedState state, Fact<XsaveLayout> guess, ImmutableArray<LayoutFamily> families,
        bool isProcess)
    {
        string message = families.IsEmpty
            ? "no known processor places these components" : $"the layout is a guess: {guess.Provenance.Detail}";

        // One processor wrote all threads of a process: once is enough.
        if (isProcess && findings.Any(finding => finding.Message == message))
        {
            return;
        }

        findings.Add(new Finding(Rules.LayoutGuessed, Severity.Warning, message)
        {
            Where = new FindingLocation(state.Id),
            Mend = "give the CPUID of the processor that wrote it with --layout",
        });
    }

    // A virtual machine with equal ids is refused when it is read; the threads of a process are what a core says they are.
    private static void AddEqualIds(ImmutableArray<Finding>.Builder findings, Capture capture)
    {
        foreach (IGrouping<int, CapturedState> group in capture.States.GroupBy(state => state.Id).Where(group => group.Skip(1).Any()))
        {
            string unit = capture.Kind == CaptureKind.Process ? "threads" : "virtual CPUs";
            Rule rule = Rules.EqualIds;
            findings.Add(new Finding(rule, rule.Severity,
                $"{group.Count()} {unit} have the id {group.Key}")
            { Where = new FindingLocation(group.Key), Mend = rule.Mend });
        }
    }
}
