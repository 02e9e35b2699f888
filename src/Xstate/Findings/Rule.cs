namespace Xstate.Findings;

/// <summary>One rule that a finding can point at. Ids are never reused or renumbered.</summary>
/// <param name="Id">The stable id, <c>XS0102</c>.</param>
/// <param name="Title">One line.</param>
/// <param name="Severity">The severity its findings normally have.</param>
/// <param name="Explanation">What happens and why.</param>
/// <param name="Mend">What to do.</param>
/// <param name="Source">Manual section, kernel commit or measurement that it rests on.</param>
/// <threadsafety>Immutable: any number of threads may share it.</threadsafety>
public sealed record Rule(string Id, string Title, Severity Severity, string Explanation, string Mend, string Source)
{
    /// <summary>A finding of this rule, with its severity and what to do.</summary>
    /// <param name="where">Where it is.</param>
    /// <param name="message">A sentence that names the thing, the value found and the value expected.</param>
    public Finding At(FindingLocation where, string message) => new(this, Severity, message) { Where = where, Mend = Mend };

    /// <inheritdoc/>
    public override string ToString() => Id;
}
