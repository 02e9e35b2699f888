using System.Collections.Immutable;
using Xstate.Architecture;
using Xstate.Rehearsal;

namespace Xstate.Fleet;

/// <summary>What becomes of guests of one class on hosts of one class.</summary>
/// <param name="Verdict">The verdict.</param>
/// <param name="Rules">The rules of the errors that led to it, or the facts on which it depends; in order.</param>
internal sealed record MoveOutcome(Verdict Verdict, ImmutableArray<string> Rules)
{
    /// <summary>Components of the guest's CPUID that the hosts cannot give.</summary>
    public StateComponentSet Components { get; init; }

    /// <summary>Instructions of the guest's CPUID that the hosts do not have.</summary>
    public ImmutableArray<string> Features { get; init; } = [];

    /// <summary>The kernel's behaviours that decide the rules, or that are not known.</summary>
    public ImmutableArray<string> Differences { get; init; } = [];

    /// <summary>Whether guests can go there: they load the same, as they are or after a repair.</summary>
    public bool Fits => Verdict is Verdict.Same or Verdict.Repairable;

    /// <summary>Whether they may be able to.</summary>
    public bool MayFit => Fits || Verdict == Verdict.Unknown;

    /// <summary>What holds of several guests: the worst verdict.</summary>
    public MoveOutcome Worst(MoveOutcome other)
    {
        ArgumentNullException.ThrowIfNull(other);
        return Join(other, Verdict > other.Verdict ? Verdict : other.Verdict);
    }

    /// <summary>What holds where either of them is true and nobody knows which: the verdict of verdicts.md for alternatives.</summary>
    internal MoveOutcome Or(MoveOutcome other) =>
        Verdict == other.Verdict ? Join(other, Verdict)
        : MayFit || other.MayFit ? Join(other, Verdict.Unknown)
        : Worst(other);

    private MoveOutcome Join(MoveOutcome other, Verdict verdict) => new(verdict, Sorted(Rules, other.Rules))
    {
        Components = Components | other.Components,
        Features = Sorted(Features, other.Features),
        Differences = Sorted(Differences, other.Differences),
    };

    private static ImmutableArray<string> Sorted(ImmutableArray<string> one, ImmutableArray<string> other) =>
        one.SequenceEqual(other) ? one : [.. one.Union(other).Order(StringComparer.Ordinal)];
}
