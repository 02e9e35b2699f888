using System.Collections.Immutable;

namespace Xstate.Rehearsal;

/// <summary>
/// The values that open facts have in one run of a rehearsal. A fact gets its value when the run first asks for it, and keeps it; what no
/// run asks for is no alternative.
/// </summary>
/// <param name="decided">Values by index, in the order in which the run asks; facts behind these get their first value.</param>
internal sealed class FactChoices(ImmutableArray<int> decided)
{
    private readonly Dictionary<(string, string?), int> _values = [];
    private readonly List<ChosenFact> _asked = [];

    /// <summary>The facts that the run asked for, in its order.</summary>
    public IReadOnlyList<ChosenFact> Asked => _asked;

    /// <summary>How many values were decided before the run began.</summary>
    public int DecidedCount => decided.Length;

    /// <summary>The value of a fact in this run, as an index of its values.</summary>
    public int Choose(OpenFact fact)
    {
        ArgumentNullException.ThrowIfNull(fact);
        if (_values.TryGetValue(fact.Key, out int known))
        {
            return known;
        }

        int value = _asked.Count < decided.Length ? decided[_asked.Count] : 0;
        _asked.Add(new ChosenFact(fact, value));
        _values.Add(fact.Key, value);
        return value;
    }
}

/// <summary>A fact with the value that it has in one run.</summary>
/// <param name="Fact">The fact.</param>
/// <param name="Value">Index of its value.</param>
internal readonly record struct ChosenFact(OpenFact Fact, int Value)
{
    public string Text => Fact.Values[Value];
}
